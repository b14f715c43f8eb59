"""What goes wrong in a training's process, by name; the nursery calls one before it runs `luthier`."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from components.synths.ddsp_imports import tf
from components.synths.losses import SpectralLoss
from components.train import mlflow_logger
from components.train.tensorflow_trainer import TensorFlowTrainer


def nan_once() -> None:
    """Makes the batch of step 17 NaN, once."""
    load, left = TensorFlowTrainer.load, {17: 1}

    def poisoned(self, batch, step):
        if left.get(step, 0):
            left[step] -= 1
            batch = replace(batch, audio=np.full_like(batch.audio, np.nan))
        return load(self, batch, step)

    TensorFlowTrainer.load = poisoned


def nan_losses() -> None:
    """Makes every loss NaN, that of the untrained model too."""
    call = SpectralLoss.call

    def poisoned(self, target_audio, audio, weights=None):
        return call(self, target_audio, audio, weights) * np.float32(np.nan)

    SpectralLoss.call = poisoned


def terminated_after_12_steps() -> None:
    """Sends SIGTERM to the process in the middle of a training, however fast the machine is."""
    _at_each_step(lambda done: done == 12 and os.kill(os.getpid(), signal.SIGTERM))


def held_after_25_steps() -> None:
    """Takes more than half a second for some steps, so that checkpoints are written, and then waits to be killed."""
    _at_each_step(lambda done: time.sleep(0 if done < 10 else 0.05 if done < 25 else 1e6))


def _at_each_step(call: Callable[[int], object]) -> None:
    """Calls a function with the number of steps that this process has done with a trainer before it does another."""
    step, done = TensorFlowTrainer.step, Counter[TensorFlowTrainer]()

    def counted(self, *arguments):
        call(done[self])
        done[self] += 1
        return step(self, *arguments)

    TensorFlowTrainer.step = counted


def patient_mlflow() -> None:
    """Gives MLflow the time that it needs on a busy machine at the end of a training."""
    mlflow_logger._CLOSE_LIMIT_S = mlflow_logger._KILLED_CLOSE_LIMIT_S = 300.0


def two_devices() -> None:
    """Makes two devices of the processor."""
    [processor] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
