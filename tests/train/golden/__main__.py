"""Stores the numbers of TRAINING_VERSION: `python -m tests.train.golden`, a minute."""

from __future__ import annotations

import tempfile
from pathlib import Path

from components.core.versions import TRAINING_VERSION
from tests import golden
from tests.train.golden import CASES, DIRECTORY, configurations, trained_numbers, write_notes

with tempfile.TemporaryDirectory() as scratch:
    data_uri = write_notes(Path(scratch))
    trainings = {
        case: trained_numbers(case, data_uri, Path(scratch, f"training-{number}")) for number, case in enumerate(CASES)
    }
found = {"trainings": trainings, "configurations": configurations()}
print("stored", golden.store(DIRECTORY, "training", TRAINING_VERSION, found))
