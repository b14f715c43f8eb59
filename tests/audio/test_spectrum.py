"""Spectra and timbre of signals whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from components.audio.polyphony import MIXED_SHARE, MIXED_STEADY_SHARE, mixed_frames, mixed_share
from components.audio.spectrum import stft_power
from components.audio.timbre import harmonic_to_noise_db
from components.nsynth.note import NOTE_FRAMES, NOTE_SAMPLES, SAMPLE_RATE_HZ

SECONDS = np.arange(NOTE_SAMPLES) / SAMPLE_RATE_HZ


@pytest.mark.parametrize("f0_hz", [60.0, 220.0, 1500.0])
@pytest.mark.parametrize("ratio_db", [0.0, 20.0])
def test_noise_between_the_harmonics_is_measured(f0_hz: float, ratio_db: float) -> None:
    clean = sum(np.sin(2 * np.pi * f0_hz * k * SECONDS) / k for k in range(1, 6))
    noise = np.random.default_rng(0).standard_normal(NOTE_SAMPLES)
    noise *= np.sqrt(np.mean(clean**2) / np.mean(noise**2)) * 10 ** (-ratio_db / 20)
    pitch = np.full(NOTE_FRAMES, f0_hz)
    pitch[500:] = 0.0
    measured_db = harmonic_to_noise_db(clean + noise, pitch)
    assert np.isnan(measured_db[130:]).all() and len(measured_db) == 251
    # Noise on the harmonics counts as tone: two bins of 7.8 Hz on either side, or 2 %, or a quarter of the distance.
    harmonic = np.arange(1, int(8_000 / f0_hz) + 1) * f0_hz
    width_hz = np.maximum(2 * 7.8125, np.minimum(0.02 * harmonic, f0_hz / 4))
    under = min(1.0, float(np.mean(2 * width_hz + 7.8125)) / f0_hz)
    expected_db = 10 * np.log10((10 ** (ratio_db / 10) + under) / (1 - under))
    assert np.median(measured_db[10:110]) == pytest.approx(expected_db, abs=2.0)
    assert np.median(harmonic_to_noise_db(clean, pitch)[10:110]) > 30.0


def test_full_scale_sinusoid_has_power_one() -> None:
    sinusoid = np.sin(2 * np.pi * 1000.0 * SECONDS)
    power = stft_power(sinusoid, 1024, 256)
    assert power.shape == (1 + NOTE_SAMPLES // 256, 513)
    assert power[100].max() == pytest.approx(1.0, abs=0.01)
    assert power[100].argmax() == 64


@pytest.mark.parametrize("f0_hz", [110.0, 330.0, 1320.0])
@pytest.mark.parametrize("cents", [0, 60, 100])
def test_a_vibrato_is_one_note_and_a_chord_with_it_is_several(f0_hz: float, cents: int) -> None:
    """Of a vibrato of a semitone either way, the higher harmonics reach as far as their neighbours."""
    moving_hz = f0_hz * 2 ** (cents / 1200 * np.sin(2 * np.pi * 5.5 * SECONDS))
    phase = 2 * np.pi * np.cumsum(moving_hz) / SAMPLE_RATE_HZ
    note = sum(np.sin(k * phase) / k for k in range(1, 6))
    pitched, mixed, _ = mixed_frames(note, moving_hz[::64])
    assert pitched == 63 and mixed / pitched < 0.1
    chord = note + sum(np.sin(ratio * k * phase) / k for k in range(1, 6) for ratio in (1.26, 1.68))
    pitched, mixed, _ = mixed_frames(chord, moving_hz[::64])
    assert mixed / pitched > 0.9


def test_a_quick_melody_is_no_chord() -> None:
    """Every window has two or three of its notes, which ring into each other."""
    notes_hz = 220.0 * 2 ** (np.random.default_rng(0).integers(0, 13, 32) / 12)
    length = NOTE_SAMPLES // 32
    melody = np.zeros(NOTE_SAMPLES + length)
    for number, pitch_hz in enumerate(notes_hz):
        seconds = SECONDS[: 2 * length]
        sound = sum(np.sin(2 * np.pi * k * pitch_hz * seconds) / k for k in range(1, 6)) * np.exp(-15 * seconds)
        melody[number * length : (number + 2) * length] += sound
    f0_hz = np.repeat(notes_hz, length)[::64]
    pitched, mixed, _ = mixed_frames(melody[:NOTE_SAMPLES], f0_hz)
    assert mixed / pitched > MIXED_SHARE  # what one note with as many mixed frames is not
    assert mixed_share(melody[:NOTE_SAMPLES], f0_hz) < MIXED_STEADY_SHARE / 2
