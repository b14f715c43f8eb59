"""The pitch benchmark's score, on answers that are known."""

from __future__ import annotations

import numpy as np

from benchmarks import pitch


def test_a_score_counts_the_known_frames_that_are_right():
    f0_hz = np.float32([0, 200, 200, 200, 200])
    assert pitch._score(np.float32([50, 200, 201, 400, 200]), f0_hz) == "75.0 (0.0)"
    assert pitch._score(np.float32([50, 202, 202, 202, 202]), f0_hz) == "100.0 (17.2)"


def test_the_sweep_is_heard_as_its_formula_says():
    audio, f0_hz = pitch._sweep(seconds=2.0)
    assert (f0_hz[0], round(float(f0_hz[-1]))) == (50.0, 1_589)
    assert len(f0_hz) == len(audio) // 64
    right, cents = pitch._score(pitch._found("swift-f0", audio), f0_hz).split()
    assert float(right) > 95
    assert float(cents.strip("()")) < 10


def test_noise_is_as_loud_as_was_asked_for():
    audio = pitch._sweep()[0]
    noise = pitch._noisy(audio, 10.0, np.random.default_rng(0)) - audio
    assert abs(20 * np.log10(audio.std() / noise.std()) - 10.0) < 0.1
