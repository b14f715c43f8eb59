"""Gaps in curves of the fundamental frequency."""

from __future__ import annotations

import numpy as np

from components.audio.f0 import confident_hz, fill_forward, fill_nearest, melody_name


def test_a_gap_takes_the_pitch_before_it():
    f0_hz = [[0, 0, 100, 110, 0, 0, 220, 0], [0] * 8, [np.nan, 5, np.inf, 6, 0, 0, 0, 0]]
    expected = [[100, 100, 100, 110, 110, 110, 220, 220], [0] * 8, [5, 5, 5, 6, 6, 6, 6, 6]]
    np.testing.assert_array_equal(fill_forward(f0_hz), np.array(expected, np.float32))


def test_a_gap_takes_the_nearest_pitch():
    found = fill_nearest(np.float32([0, 0, 200, 0, 0, 0, 300, 0]))
    np.testing.assert_array_equal(found, [200, 200, 200, 200, 200, 300, 300, 300])


def test_a_pitch_that_is_not_finite_is_none():
    """As trackers that write NaN in silence have it, whatever the confidence."""
    f0_hz = np.float32([np.nan, 220, np.inf, 220, 220, -np.inf])
    found = confident_hz(f0_hz, np.float32([1, 1, 1, 0.4, np.nan, 1]))
    np.testing.assert_array_equal(found, [0, 220, 0, 0, 0, 0])
    assert melody_name(found) == ""
