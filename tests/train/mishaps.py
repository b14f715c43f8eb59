"""What goes wrong in a training's process, by name; the nursery calls one before it runs `luthier`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.synths.ddsp_imports import tf
from components.synths.losses import SpectralLoss
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


def two_devices() -> None:
    """Makes two devices of the processor."""
    [processor] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
