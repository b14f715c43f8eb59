"""Levels of a sound: which frames sound, and whether a recording is clipped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.audio.loudness import FLOOR_DB

Array = NDArray[np.floating[Any]]

SOUNDING_RANGE_DB = 45.0

CLIPPED_SHARE = 1e-3
"""A recording of which more than this lies in flat tops is clipped."""
_FLAT_SAMPLES = 4  # so many equal samples at a peak are a clipped one


class FlatTops:
    """Finds flat tops at a recording's peak, block by block."""

    def __init__(self) -> None:
        self._peak, self._samples = 0.0, 0
        self._tops: list[tuple[float, int]] = []

    def add(self, block: Array) -> None:
        """Takes the next block, f32[samples], before any resampling: that makes flat tops round."""
        level = np.abs(block)
        self._peak, self._samples = max(self._peak, float(level.max())), self._samples + len(block)
        runs = np.lib.stride_tricks.sliding_window_view(np.pad(level, (0, _FLAT_SAMPLES)), _FLAT_SAMPLES)
        tops = runs[np.ptp(runs, axis=1) == 0, 0]
        highest = float(tops.max()) if len(tops) else 0.0
        if highest:
            self._tops.append((highest, int((tops > 0.99 * highest).sum())))

    def share(self) -> float:
        """Returns how much of the recording lies in flat tops at its peak, 0..1."""
        clipped = sum(count for level, count in self._tops if level > 0.99 * self._peak)
        return clipped / self._samples if self._samples else 0.0


def sounding_frames(loudness_db: Array) -> NDArray[np.bool_]:
    """Returns which frames sound, of loudness_db's shape: those less than 45 dB below the loud ones."""
    above = loudness_db[loudness_db > FLOOR_DB + 1.0]
    loud_db = float(np.percentile(above, 95)) if len(above) else 0.0
    return np.asarray(loudness_db > max(loud_db - SOUNDING_RANGE_DB, FLOOR_DB + 1.0))
