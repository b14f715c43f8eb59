"""Stores the numbers of PREPARE_VERSION: `python -m tests.prepare.golden`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from components.core.versions import PREPARE_VERSION
from tests import golden
from tests.prepare.golden import DIRECTORY, prepared_numbers

with tempfile.TemporaryDirectory() as scratch:
    print("stored", golden.store(DIRECTORY, "prepare", PREPARE_VERSION, prepared_numbers(Path(scratch))))
