"""Notes, or pieces of notes, as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from components.artifacts.model_card import Percentiles
from components.audio.levels import above_floor, sounding_frames
from components.nsynth.note import HOP_SAMPLES, FloatArray

_MOST_HEARD = 2_000  # notes whose statistics are taken


@dataclass(frozen=True)
class Sounds:
    """Notes, or pieces of notes, as arrays, in memory or mapped to it.

    Attributes:
        audio: f32[sounds, samples].
        f0_hz: f32[sounds, samples / 64], without gaps.
        loudness_db: f32[sounds, samples / 64], by the models' definition.
    """

    audio: FloatArray
    f0_hz: FloatArray
    loudness_db: FloatArray

    def __len__(self) -> int:
        return len(self.audio)

    def __getitem__(self, which: slice) -> Sounds:
        """Returns some of the sounds, without copying them."""
        return Sounds(self.audio[which], self.f0_hz[which], self.loudness_db[which])

    def cut(self, sounds: npt.NDArray[Any], starts: npt.NDArray[Any], samples: int) -> Sounds:
        """Returns pieces of `samples` length: of each of `sounds` (indices) from its frame in `starts` on."""
        frames = samples // HOP_SAMPLES
        places = list(zip(sounds.tolist(), starts.tolist(), strict=True))

        def pieces(values: FloatArray, rate: int, length: int) -> FloatArray:
            return np.stack([values[sound, start * rate : start * rate + length] for sound, start in places])

        return Sounds(
            pieces(self.audio, HOP_SAMPLES, samples),
            pieces(self.f0_hz, 1, frames),
            pieces(self.loudness_db, 1, frames),
        )

    def in_groups(self, size: int) -> Iterator[Sounds]:
        """Yields `size` sounds at a time, in order; the last group is filled up with the last sound."""
        for start in range(0, len(self), size):
            rows = np.minimum(np.arange(start, start + size), len(self) - 1)
            yield Sounds(self.audio[rows], self.f0_hz[rows], self.loudness_db[rows])

    def percentiles(self) -> dict[str, Percentiles]:
        """Returns p5, median and p95 of pitch and loudness where there is sound, for a model's card.

        And of the loudness of the frames that sound, `quantiles`: its 0th, 5th, ... 100th percentile, which transfer
        brings a recording to. Of very many notes, some are taken, spread over them.
        """
        some = self[:: -(-len(self) // _MOST_HEARD)]
        sounding = (some.f0_hz > 0) & above_floor(some.loudness_db)
        values = {"f0_hz": some.f0_hz, "loudness_db": some.loudness_db}
        found = {}
        for name, value in values.items():
            p5, median, p95 = _percentiles(value, sounding, (5, 50, 95))
            found[name] = Percentiles(p5, median, p95)
        sounding = sounding & sounding_frames(some.loudness_db)
        quantiles = tuple(_percentiles(some.loudness_db, sounding, range(0, 101, 5)))
        return found | {"loudness_db": replace(found["loudness_db"], quantiles=quantiles)}


def _percentiles(values: FloatArray, where: npt.NDArray[np.bool_], shares: Sequence[int]) -> list[float]:
    """Returns percentiles of the values that count, or of all where none does."""
    found = np.percentile(values[where] if where.any() else values, shares)
    return [round(float(value), 2) for value in found]


def silence(sounds: int, samples: int) -> Sounds:
    """Returns silent sounds of a length."""
    frames = samples // HOP_SAMPLES
    return Sounds(*(np.zeros([sounds, width], np.float32) for width in (samples, frames, frames)))
