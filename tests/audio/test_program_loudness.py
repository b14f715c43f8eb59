"""The loudness of clips, against values of ITU-R BS.1770-4 and EBU Tech 3341."""

from __future__ import annotations

import numpy as np
import pytest

from components.audio.program_loudness import CLIP_LUFS, matched_gain_db, program_loudness_lufs
from components.nsynth.note import SAMPLE_RATE_HZ, FloatArray


def sine(level_db: float, seconds: float = 4.0, frequency_hz: float = 997.0) -> FloatArray:
    time = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return np.asarray(10 ** (level_db / 20) * np.sin(2 * np.pi * frequency_hz * time), np.float32)


def test_a_sine_of_997_hz_has_the_standards_loudness_whatever_silence_follows() -> None:
    assert program_loudness_lufs(sine(0.0)) == pytest.approx(-3.01, abs=0.02)
    assert program_loudness_lufs(sine(-20.0)) == pytest.approx(-23.01, abs=0.02)
    followed = np.concatenate([sine(-20.0), np.zeros(8 * SAMPLE_RATE_HZ, np.float32)])
    assert program_loudness_lufs(followed) == pytest.approx(-23.01, abs=0.5)
    # EBU Tech 3341, case 3: what is more than 10 LU below counts not.
    quiet = np.concatenate([sine(-36.0, 10.0), sine(-23.0, 60.0), sine(-36.0, 10.0)])
    assert program_loudness_lufs(quiet) == pytest.approx(-23.0 - 3.01, abs=0.1)


def test_low_frequencies_count_less() -> None:
    assert program_loudness_lufs(sine(-20.0, frequency_hz=40.0)) < program_loudness_lufs(sine(-20.0)) - 4.0


def test_matched_sounds_are_equally_loud_but_never_clipped_and_silence_stays_silent() -> None:
    for level_db in (-50.0, -20.0, 0.0):
        sound = sine(level_db)
        matched = sound * np.float32(10 ** (matched_gain_db(sound) / 20))
        assert program_loudness_lufs(matched) == pytest.approx(CLIP_LUFS, abs=0.05)
    click = np.zeros(SAMPLE_RATE_HZ, np.float32)
    click[100] = 0.5
    assert np.abs(click).max() * 10 ** (matched_gain_db(click) / 20) <= 1.0
    assert program_loudness_lufs(np.zeros(64, np.float32)) == -70.0
    assert matched_gain_db(np.zeros(64, np.float32)) == 40.0


def test_the_channels_of_a_sound_add_up():
    one = sine(-20.0)
    assert program_loudness_lufs(np.stack([one, one], axis=1)) == pytest.approx(-20.0, abs=0.02)
    assert program_loudness_lufs(np.stack([one, 0 * one], axis=1)) == pytest.approx(-23.01, abs=0.02)
