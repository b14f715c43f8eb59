"""The preset `vst`: a network that takes power 50 times a second is trained, and its card says so."""

from __future__ import annotations

import numpy as np

from components.artifacts.metrics_log import read_lines
from components.audio.loudness import POWER_DEFINITION, loudness_db
from components.nsynth.sorted_set import SortedSet
from components.synths.instrument import Instrument
from components.train.devices import Devices
from components.train.reproduce import EarlierTraining
from components.train.start import TrainingPlan
from components.train.training_setup import Setup
from tests.train.trainings import BINDINGS, command

_SMALL = [*BINDINGS, "train.crop_samples = 3200", "train.batch_size = 2", "train.learning_rate = 0.005"]


def test_it_learns_and_its_card_names_the_loudness_definition(data, nursery, tmp_path):
    code, said = nursery.run(*command(data, tmp_path / "first", _SMALL, "--preset", "vst"))
    assert code == 0, said
    losses = [
        line["spectral_loss"] for line in read_lines(tmp_path / "first" / "metrics.jsonl") if line["split"] == "valid"
    ]
    assert losses[-1] < 0.9 * losses[0]
    instrument = Instrument.load(str(tmp_path / "first"))
    assert (instrument.loudness_definition, instrument.stride) == (POWER_DEFINITION, 5)
    notes = list(SortedSet.open(data).notes("train", "string"))
    power_db = loudness_db(np.stack([note.audio for note in notes]), POWER_DEFINITION)
    found = instrument.card.loudness_db
    assert found is not None
    assert power_db.min() < found.p5 < found.median < found.p95 < power_db.max()

    # What it leaves is the configuration of such a training again.
    earlier = EarlierTraining.read(str(tmp_path / "first"))
    record = earlier.new_record(earlier.open_data(None))
    setup = Setup.read(TrainingPlan.of(record, earlier.config, str(tmp_path / "again"), "continue"), Devices())
    assert (setup.loudness_definition, setup.settings.crop_samples) == (POWER_DEFINITION, 3200)


def test_a_rate_that_blocks_are_no_multiple_of_is_refused(data, tmp_path, refused):
    more = ["PowerPreprocessor.frame_rate = 7"]
    line = refused(*command(data, tmp_path, [*_SMALL, *more], "--preset", "vst"))
    assert "PowerPreprocessor.frame_rate is 7: expected one of 5, 10, 25, 50, 125, 250" in line


def test_a_crop_that_ends_within_a_frame_is_refused(data, tmp_path, refused):
    line = refused(*command(data, tmp_path, BINDINGS, "--preset", "vst"))
    assert "train.crop_samples is 2048: expected a multiple of 320, one frame of the network" in line
