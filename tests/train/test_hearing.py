"""What the check of a validation hears in tones, noise and silence."""

from __future__ import annotations

import numpy as np
import pytest

from components.train.hearing import level_and_pitch

_TIME = np.arange(64_000) / 16_000


def _tone(f0_hz: float) -> np.ndarray:
    return sum(0.1 / k * np.sin(2 * np.pi * k * f0_hz * _TIME) for k in range(1, 6) if k * f0_hz < 8_000)


def _heard(audio: np.ndarray, reference: np.ndarray, f0_hz: float) -> np.ndarray:
    pitch = np.full((1, 1000), f0_hz, np.float32)
    return level_and_pitch(np.float32(audio)[None], np.float32(reference)[None], pitch).numpy()[0]


@pytest.mark.parametrize("f0_hz", [33.0, 97.3, 440.0, 1046.5, 1975.5])
def test_a_tone_has_its_pitch_and_noise_or_another_tone_has_not(f0_hz):
    note = _tone(f0_hz)
    noise = np.random.default_rng(0).normal(0, 0.05, len(note))
    note_db, level_db, note_pitch, pitch = _heard(0.5 * note + 0.01 * noise, note, f0_hz)
    assert level_db == pytest.approx(note_db - 6.02, abs=0.05)
    assert min(note_pitch, pitch) > 0.85
    assert _heard(noise, note, f0_hz)[3] < 0.25
    assert _heard(_tone(f0_hz * 1.26), note, f0_hz)[3] < 0.5


def test_silence_is_very_quiet_and_never_divides_by_zero():
    heard = _heard(np.zeros(64_000), np.zeros(64_000), 0.0)
    assert heard[0] == heard[1] == pytest.approx(-120, abs=0.1)
    assert heard[2] == heard[3] == 0
    assert _heard(np.zeros(64_000), _tone(220.0), 220.0)[1] == pytest.approx(-120, abs=0.1)
