"""Mixing of parts to stereo: volume and pan of each channel, sample by sample, in one array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.nsynth.note import FRAME_RATE_HZ, HOP_SAMPLES, SAMPLE_RATE_HZ, FloatArray
from components.play.curves import controller, level_db
from components.play.score import Controllers

Array = NDArray[np.floating[Any]]

_DEFAULT_VOLUME, _CENTRE = 100.0, 64.0
_WIDEST = 24.0  # steps of pan from the centre, for parts whose file has none
_SMOOTH_FRAMES = 5
_BLOCK_SAMPLES = 1 << 18


def default_pan(index: int, count: int) -> float:
    """Returns the pan of a part whose channel has none, 0..127: from left to right, a part alone in the centre."""
    return _CENTRE if count == 1 else _CENTRE + _WIDEST * (2 * index / (count - 1) - 1)


class Mix:
    """A stereo sound that parts are added to."""

    def __init__(self, seconds: float) -> None:
        """Prepares silence of a length; what is added beyond it is cut."""
        self.audio: FloatArray = np.zeros((round(seconds * SAMPLE_RATE_HZ), 2), np.float32)

    def add(
        self, first_frame: int, blocks: Iterator[FloatArray], controllers: Controllers, pan: float
    ) -> Iterator[float]:
        """Adds a mono sound, and yields the seconds of each block that was added.

        Args:
            first_frame: Where it begins; may be before the start of the mix.
            blocks: f32[samples] each, whole frames.
            controllers: Volume and pan of its channel.
            pan: Where the channel has none.
        """
        start = first_frame * HOP_SAMPLES
        for block in blocks:
            gains = _gains(start // HOP_SAMPLES, len(block), controllers, pan)
            cut = max(0, -start)
            target = self.audio[start + cut : start + len(block)]
            target += (block[:, None] * gains)[cut : cut + len(target)]
            start += len(block)
            yield len(block) / SAMPLE_RATE_HZ

    def blocks(self) -> Iterator[FloatArray]:
        """Yields the sound in blocks, f32[samples, 2]."""
        for first in range(0, len(self.audio), _BLOCK_SAMPLES):
            yield self.audio[first : first + _BLOCK_SAMPLES]


def _gains(first_frame: int, samples: int, controllers: Controllers, pan: float) -> FloatArray:
    """Returns the gains of both channels, f32[samples, 2]: of equal power wherever the pan is."""
    margin = _SMOOTH_FRAMES // 2
    frames = first_frame + np.arange(-margin, -(-samples // HOP_SAMPLES) + 1 + margin)
    seconds = frames / FRAME_RATE_HZ
    volume = 10 ** (level_db(controller(controllers.volume, seconds, _DEFAULT_VOLUME)) / 20)
    angle = np.clip((controller(controllers.pan, seconds, pan) - 1) / 126, 0, 1) * np.pi / 2
    window = np.full(_SMOOTH_FRAMES, 1 / _SMOOTH_FRAMES)
    curves = [np.convolve(volume * side(angle), window, "valid") for side in (np.cos, np.sin)]
    at = np.arange(samples) / HOP_SAMPLES
    return np.stack([np.interp(at, np.arange(len(curve)), curve) for curve in curves], axis=1).astype(np.float32)
