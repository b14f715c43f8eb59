"""Shorter numbers in the network: it learns as with long ones, and what must be exact stays exact."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from components.config.settings import train_settings
from components.train.dataset import batch_of_step
from tests.train.numpy_trainer import dataset
from tests.train.trainings import BINDINGS, command, curve, run_json


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_training_in_short_numbers_ends_near_that_in_long_ones(undisturbed, data, nursery, tmp_path, precision):
    code, said = nursery.run(*command(data, tmp_path, [*BINDINGS, f"train.precision = '{precision}'"]))
    assert code == 0, said
    assert run_json(tmp_path)["rollbacks"] == []
    first = curve(tmp_path)[0][2]
    assert run_json(tmp_path)["best"]["valid_loss"] < 0.8 * first
    full = run_json(undisturbed)["best"]["valid_loss"]
    assert run_json(tmp_path)["best"]["valid_loss"] == pytest.approx(full, rel=0.15)


def test_a_loss_that_is_scaled_is_restored_with_its_scale():
    """The scale begins at 2^15 and is halved until the gradient is finite: a resumed training must not begin again."""
    from components.synths import model as models
    from components.synths.ddsp_imports import tf
    from components.synths.xla import without_xla
    from components.train.devices import Devices
    from components.train.tensorflow_trainer import TensorFlowTrainer

    def trained(trainer, steps):
        losses = []
        for step in steps:
            trainer.step(trainer.load(batch_of_step(notes, settings, step), step))
            losses.append(trainer.interval())
            trainer.new_interval()
        return losses, trainer.arrays()

    notes = dataset().train
    notes = dataclasses.replace(notes, f0_hz=np.full_like(notes.f0_hz, 220.0), loudness_db=notes.loudness_db - 30)
    config = models.config_text("harmonic", "smoke", [*BINDINGS, "train.precision = 'float16'"])
    with without_xla(), models.configured(config):
        settings = train_settings()
        tf.keras.utils.set_random_seed(0)
        trainer = TensorFlowTrainer(models.build(settings.precision), settings, Devices())
    fresh = trainer.arrays()
    _, halfway = trained(trainer, range(12))
    losses, end = trained(trainer, range(12, 18))
    changed = [name for name in fresh if name.startswith("optimizer/") and fresh[name].shape == ()]
    assert any(fresh[name] == 2**15 and halfway[name] < 2**15 for name in changed)
    trainer.restore(fresh)
    trainer.restore(halfway)
    again, arrays = trained(trainer, range(12, 18))
    assert again == losses
    for name, array in end.items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)


@pytest.mark.parametrize(
    ("binding", "says"),
    [
        ("train.precision = 'half'", "train.precision is 'half': expected one of float32, bfloat16, float16"),
        ("train.tf32 = 1", "train.tf32 is 1: expected True or False"),
    ],
)
def test_bad_settings_are_one_line(refused, data, tmp_path, binding, says):
    assert says in refused(*command(data, tmp_path / "out", [*BINDINGS, binding]))
