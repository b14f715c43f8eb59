"""The numbers of an evaluation, on signals whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from components.audio.pitch import track
from components.evaluate import metrics
from components.nsynth.note import NOTE_FRAMES, NOTE_SAMPLES, SAMPLE_RATE_HZ
from tests.notes import make_note

SECONDS = np.arange(NOTE_SAMPLES) / SAMPLE_RATE_HZ
EVERYWHERE = np.ones(NOTE_FRAMES, bool)


def tone(f0_hz: float) -> np.ndarray:
    harmonics = sum(np.sin(2 * np.pi * f0_hz * k * SECONDS) / k for k in range(1, 9))
    return (0.2 * harmonics).astype(np.float32)


@pytest.mark.parametrize("cents", [0, 50, -30])
def test_a_mistuned_tone_reads_its_cents(cents: int) -> None:
    heard_hz = track(tone(220.0 * 2 ** (cents / 1200))).on_frames(NOTE_FRAMES)
    errors = metrics.pitch_error_cents(np.full(NOTE_FRAMES, 220.0), heard_hz, EVERYWHERE)
    assert np.median(errors) == pytest.approx(abs(cents), abs=4.0)  # the tracker itself strays by some 3 cents
    assert len(errors) > 0.9 * NOTE_FRAMES


def test_pitch_counts_only_where_it_was_asked_for_and_heard() -> None:
    f0_hz, heard_hz = np.array([100.0, 0.0, 100.0, 100.0]), np.array([200.0, 100.0, np.nan, 100.0])
    voiced = np.array([True, True, True, False])
    assert metrics.pitch_error_cents(f0_hz, heard_hz, voiced).tolist() == [1200.0]


def test_loudness_error_over_the_sounding_frames() -> None:
    loudness_db = np.concatenate([np.full(600, -20.0), np.full(400, -80.0)])
    louder_db = loudness_db + np.where(np.arange(1000) < 600, 6.0, 30.0)
    assert metrics.loudness_error_db(loudness_db, louder_db) == pytest.approx(6.0)


def test_twice_the_amplitude_is_six_decibels_by_the_models_definition() -> None:
    from components.synths.loudness import loudness_db

    quiet_db, loud_db = loudness_db(np.stack([tone(220.0), 2 * tone(220.0)]))
    assert metrics.loudness_error_db(quiet_db, loud_db) == pytest.approx(6.02, abs=0.05)


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
