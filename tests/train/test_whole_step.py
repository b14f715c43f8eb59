"""A training step as one computation of XLA, the default on a GPU: what happens before a training's first step."""

from __future__ import annotations

import numpy as np
import pytest

from components.config.settings import train_settings
from tests.train.trainings import BINDINGS


def _trainer():
    from components.synths import model as models
    from components.train.devices import Devices
    from components.train.tensorflow_trainer import TensorFlowTrainer

    with models.configured(models.config_text("harmonic", "smoke", BINDINGS)):
        return TensorFlowTrainer(models.build(), train_settings(), Devices())


def test_a_step_that_xla_cannot_compile_is_in_parts_after_one_line(monkeypatch, caplog):
    from components.synths import xla
    from components.synths.ddsp_imports import tf
    from components.train.dataset import Batch
    from components.train.tensorflow_trainer import TensorFlowTrainer

    def fails(self, step):
        raise tf.errors.InternalError(None, None, "ptxas exited with non-zero error code\nand more")

    monkeypatch.setattr(xla, "whole_step", lambda: True)
    monkeypatch.setattr(TensorFlowTrainer, "_try", fails)
    trainer = _trainer()
    [line] = [record.getMessage() for record in caplog.records]
    assert line == (
        "XLA cannot compile the training step as one computation (ptxas exited with non-zero error code): "
        "it is in parts, slower"
    )
    trainer.step(trainer.load(Batch.silence(2, 2048), 0))
    assert trainer.interval().finite


def test_compiling_before_the_first_step_trains_nothing():
    trainer = _trainer()
    before = trainer.arrays()
    trainer.compile()
    after = trainer.arrays()
    assert all(np.array_equal(before[name], after[name]) for name in before | after)
    assert trainer.interval() is None
    assert trainer.traces == 1


@pytest.mark.parametrize("on_gpu", [False, True])
def test_a_whole_step_is_compiled_once_whatever_the_weights_and_the_noise(on_gpu, monkeypatch):
    """A value that XLA takes as a constant makes a computation of its own: it would compile at every step."""
    from components.synths import decoder, gru, layers, oscillators, xla
    from components.train.dataset import Batch
    from components.train.tensorflow_trainer import TensorFlowTrainer

    for module in (decoder, gru, layers, oscillators, xla):
        monkeypatch.setattr(module, "on_gpu", lambda: on_gpu)
    monkeypatch.setattr(xla, "whole_step", lambda: True)
    monkeypatch.setattr(TensorFlowTrainer, "_try", lambda self, step: None)
    trainer = _trainer()
    of_step = trainer.load(Batch.silence(2, 2048), 0)
    listing = trainer._step.experimental_get_compiler_ir(*of_step)(stage="hlo")
    inputs = trainer._step.get_concrete_function(*of_step).inputs
    assert listing[listing.index("\nENTRY ") :].count(" parameter(") == len(inputs)
