"""The numbers of an evaluation, on signals whose answer is known."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from components.audio.loudness import loudness_db
from components.evaluate import metrics
from components.nsynth.note import NOTE_SAMPLES, SAMPLE_RATE_HZ
from tests.notes import make_note

SECONDS = np.arange(NOTE_SAMPLES) / SAMPLE_RATE_HZ


def tone(f0_hz: float) -> np.ndarray:
    harmonics = sum(np.sin(2 * np.pi * f0_hz * k * SECONDS) / k for k in range(1, 9))
    return (0.2 * harmonics).astype(np.float32)


def test_loudness_error_over_the_sounding_frames() -> None:
    loudness_db = np.concatenate([np.full(600, -20.0), np.full(400, -80.0)])
    louder_db = loudness_db + np.where(np.arange(1000) < 600, 6.0, 30.0)
    assert metrics.loudness_errors_db(loudness_db, louder_db) == pytest.approx((6.0, 6.0))
    assert metrics.loudness_errors_db(loudness_db, loudness_db - 3.0) == pytest.approx((3.0, -3.0))
    with warnings.catch_warnings(action="error"):
        assert np.isnan(metrics.loudness_errors_db(np.full(1000, -80.0), louder_db)).all()


def test_twice_the_amplitude_is_six_decibels_by_the_models_definition() -> None:
    quiet_db, loud_db = loudness_db(np.stack([tone(220.0), 2 * tone(220.0)]))
    assert metrics.loudness_errors_db(quiet_db, loud_db)[1] == pytest.approx(6.02, abs=0.05)


def test_mel_distances() -> None:
    note = make_note().audio
    assert metrics.mel_distances(note, note) == (0.0, 0.0)
    steady = np.random.default_rng(0).standard_normal(NOTE_SAMPLES) * 0.1
    log_mel_db, mfcc = metrics.mel_distances(steady, 2 * steady)
    assert log_mel_db == pytest.approx(6.02, abs=0.1)
    assert mfcc < 1.0  # only the level is another
    dull = np.convolve(steady, [0.5, 0.5], mode="same")
    assert metrics.mel_distances(steady, dull)[1] > 10.0
    nearer, farther = note + 0.001 * steady, note + 0.1 * steady
    assert 0 < metrics.mel_distances(note, nearer)[0] < metrics.mel_distances(note, farther)[0]


def test_silence_that_is_none_is_measured() -> None:
    note = np.where(SECONDS < 3.0, tone(220.0), 0.0)
    hiss = np.random.default_rng(0).standard_normal(NOTE_SAMPLES) * 0.01
    assert metrics.silence_level_db(note, note + hiss) == pytest.approx(-40.0, abs=0.3)
    assert metrics.silence_level_db(note, note) == -120.0
    assert metrics.silence_level_db(tone(220.0), hiss) is None


def test_identical_audio_has_no_spectral_loss() -> None:
    from components.synths.losses import spectral_loss

    note = make_note().audio[None]
    assert spectral_loss(note, note)[0] == 0.0
    assert spectral_loss(note, 0 * note)[0] > 1.0
