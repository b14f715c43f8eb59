"""The scores of steady notes, on sounds whose faults are known."""

from __future__ import annotations

import numpy as np
import pytest

from components.evaluate.steady_notes import beside_partials_db, wobble_db
from components.nsynth.note import SAMPLE_RATE_HZ

SECONDS = np.arange(SAMPLE_RATE_HZ // 2) / SAMPLE_RATE_HZ


def tone(f0_hz: float, harmonics: int = 7) -> np.ndarray:
    return np.asarray(sum(0.1 / k * np.sin(2 * np.pi * f0_hz * k * SECONDS) for k in range(1, harmonics + 1)))


def test_a_folded_partial_lies_beside_the_others() -> None:
    partials = np.full((125, 7), 1046.5 * np.arange(1, 8))
    assert beside_partials_db(tone(1046.5), partials) < -80
    folded = tone(1046.5) + 0.01 * tone(SAMPLE_RATE_HZ - 9 * 1046.5, 1)
    assert beside_partials_db(folded, partials) == pytest.approx(-41.8, abs=0.5)
    free = np.column_stack([partials, np.full(125, SAMPLE_RATE_HZ - 9 * 1046.5)])
    assert beside_partials_db(folded, free) < -80  # a sinusoid that is meant to be there
    assert beside_partials_db(0 * folded, partials) == -120


def test_wobble_is_the_range_of_the_level() -> None:
    assert wobble_db(tone(262.0)) < 0.2
    assert wobble_db(tone(262.0) * np.where(SECONDS < 0.25, 1.0, 0.5)) == pytest.approx(6.0, abs=0.3)
