"""Shorter numbers in the network: it learns as with long ones, and what must be exact stays exact."""

from __future__ import annotations

import numpy as np
import pytest

from components.config.settings import train_settings
from components.nsynth.sorted_set import SortedSet
from components.train.dataset import Dataset, batch_of_step
from components.train.note_cache import NoteCache
from components.train.state import Interval
from tests.train.trainings import BINDINGS, STEPS, command, curve


class _Trained:
    """A trainer in a precision, and the intervals of its steps."""

    def __init__(self, precision: str, data: str) -> None:
        from components.synths import model as models
        from components.synths.ddsp_imports import tf
        from components.synths.xla import without_xla
        from components.train.devices import Devices
        from components.train.tensorflow_trainer import TensorFlowTrainer

        config = models.config_text("harmonic", "smoke", [*BINDINGS, f"train.precision = '{precision}'"])
        with without_xla(), models.configured(config):
            self._settings = train_settings()
            tf.keras.utils.set_random_seed(self._settings.seed)
            self.trainer = TensorFlowTrainer(models.build(precision), self._settings, Devices())
        self._notes = Dataset.read(SortedSet.open(data), "string", 64, NoteCache(100)).train

    def steps(self, first: int, last: int) -> list[Interval]:
        found = []
        for step in range(first, last):
            batch = batch_of_step(self._notes, self._settings, step)
            self.trainer.step(self.trainer.load(batch, step))
            found.append(self.trainer.interval())
            self.trainer.new_interval()
        return found


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_training_in_short_numbers_ends_near_that_in_long_ones_and_is_restored(undisturbed, data, precision):
    """The scale of a loss in float16 begins at 2^15 and is halved until the gradient is finite.

    A resumed training must not begin with that again.
    """
    trained = _Trained(precision, data)
    fresh = trained.trainer.arrays()
    intervals = trained.steps(0, 20)
    halfway = trained.trainer.arrays()
    last = trained.steps(20, STEPS)
    assert all(interval.finite for interval in intervals + last)
    full = {step: loss for step, split, loss in curve(undisturbed) if split == "train"}
    losses = [interval.loss for interval in intervals + last]
    assert np.mean(losses[20:30]) == pytest.approx(full[30], rel=0.15)
    assert np.mean(losses[20:30]) < 0.8 * losses[0]
    end = trained.trainer.arrays()
    scales = [name for name in fresh if fresh[name].shape == () and fresh[name] == 2**15]
    assert len(scales) == (precision == "float16")
    assert all(halfway[name] < 2**15 for name in scales)
    trained.trainer.restore(fresh)
    trained.trainer.restore(halfway)
    assert trained.steps(20, STEPS) == last
    for name, array in trained.trainer.arrays().items():
        np.testing.assert_array_equal(array, end[name], err_msg=name)


@pytest.mark.parametrize(
    ("binding", "says"),
    [
        ("train.precision = 'half'", "train.precision is 'half': expected one of float32, bfloat16, float16"),
        ("train.tf32 = 1", "train.tf32 is 1: expected True or False"),
    ],
)
def test_bad_settings_are_one_line(refused, data, tmp_path, binding, says):
    assert says in refused(*command(data, tmp_path / "out", [*BINDINGS, binding]))
