"""What goes wrong in a training's process, by name; the nursery calls one before it runs `luthier`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.config.settings import TrainSettings
from components.synths.ddsp_imports import tf
from components.train import prefetch
from components.train.batch import Sounds


def _poisoned(steps: dict[int, int]) -> None:
    """Makes batches of noughts over nought: those of `steps`, so many times each."""
    sound = prefetch.batch

    def batch(sounds: Sounds, settings: TrainSettings, step: int) -> Sounds:
        made = sound(sounds, settings, step)
        if not steps.get(step, 0):
            return made
        steps[step] -= 1
        return replace(made, audio=np.full_like(made.audio, np.nan))

    prefetch.batch = batch


def nan_once() -> None:
    _poisoned({17: 1})


def nan_always() -> None:
    _poisoned({17: 1_000})


def two_devices() -> None:
    """Makes two devices of the processor."""
    [processor] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
