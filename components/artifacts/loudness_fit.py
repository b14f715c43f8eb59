"""Fitting of a recording's loudness to that of a training: quantiles of one become those of the other.

The quantile mapping of ddsp's timbre transfer demo, linear between the quantiles of the model's card; values beyond the
outermost ones are shifted with them. Unlike the demo's, it stretches or compresses by 1.5 at most: else the flutter of
a steady tone would become a crescendo.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.artifacts.model_card import Percentiles
from components.nsynth.note import FloatArray

_MAX_STRETCH = 1.5


def fit_loudness_db(loudness_db: FloatArray, sounding_db: FloatArray, wanted_db: Percentiles) -> FloatArray:
    """Returns f32[frames] of loudness, mapped so that the quantiles of `sounding_db` become those of a card."""
    shares, wanted = _quantiles(wanted_db)
    found = np.percentile(sounding_db, shares)
    steps, middle = np.diff(found), len(found) // 2
    reached = wanted.copy()
    # From the middle outwards: where the limit keeps a quantile from its target, the next ones compensate.
    for i in range(middle, len(steps)):
        lowest, highest = reached[i] + steps[i] / _MAX_STRETCH, reached[i] + steps[i] * _MAX_STRETCH
        reached[i + 1] = np.clip(wanted[i + 1], lowest, highest)
    for i in reversed(range(middle)):
        lowest, highest = reached[i + 1] - steps[i] * _MAX_STRETCH, reached[i + 1] - steps[i] / _MAX_STRETCH
        reached[i] = np.clip(wanted[i], lowest, highest)
    inside = np.clip(loudness_db, found[0], found[-1])
    fitted: FloatArray = (np.interp(inside, found, reached) + loudness_db - inside).astype(np.float32)
    return fitted


def _quantiles(wanted_db: Percentiles) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Returns percentages and the training's loudness at them; the card of an older model has only three."""
    if wanted_db.quantiles:
        return np.linspace(0, 100, len(wanted_db.quantiles)), np.array(wanted_db.quantiles)
    return np.array([5.0, 50.0, 95.0]), np.array([wanted_db.p5, wanted_db.median, wanted_db.p95])
