"""The numbers of an evaluation, on signals whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from swift_f0 import SwiftF0

from components.audio import timbre
from components.audio.harmonicity import harmonic_to_noise_db
from components.audio.spectrum import stft_power
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
    heard_hz = metrics.track_pitch_hz(tone(220.0 * 2 ** (cents / 1200)), SwiftF0(), NOTE_FRAMES)
    errors = metrics.pitch_error_cents(np.full(NOTE_FRAMES, 220.0), heard_hz, EVERYWHERE)
    assert np.median(errors) == pytest.approx(abs(cents), abs=4.0)  # the tracker itself strays by some 3 cents
    assert len(errors) > 0.9 * NOTE_FRAMES


def test_pitch_counts_only_where_it_was_asked_for_and_heard() -> None:
    f0_hz, heard_hz = np.array([100.0, 0.0, 100.0, 100.0]), np.array([200.0, 100.0, np.nan, 100.0])
    voiced = np.array([True, True, True, False])
    assert metrics.pitch_error_cents(f0_hz, heard_hz, voiced).tolist() == [1200.0]


def test_the_tracker_hears_no_pitch_in_silence() -> None:
    assert np.isnan(metrics.track_pitch_hz(np.zeros(NOTE_SAMPLES), SwiftF0(), NOTE_FRAMES)).all()


def test_tracked_frames_are_in_time() -> None:
    rising = np.where(SECONDS < 2.0, tone(220.0), tone(440.0))
    heard_hz = metrics.track_pitch_hz(rising, SwiftF0(), NOTE_FRAMES)
    change = int(np.argmax(heard_hz > 330.0))
    assert change == pytest.approx(500, abs=8)  # half a window of the tracker is 64 ms, 16 frames


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
    assert timbre.mel_distances(note, note) == (0.0, 0.0)
    steady = np.random.default_rng(0).standard_normal(NOTE_SAMPLES) * 0.1
    log_mel_db, mfcc = timbre.mel_distances(steady, 2 * steady)
    assert log_mel_db == pytest.approx(6.02, abs=0.1)
    assert mfcc < 1.0  # only the level is another
    dull = np.convolve(steady, [0.5, 0.5], mode="same")
    assert timbre.mel_distances(steady, dull)[1] > 10.0
    nearer, farther = note + 0.001 * steady, note + 0.1 * steady
    assert 0 < timbre.mel_distances(note, nearer)[0] < timbre.mel_distances(note, farther)[0]


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
    # Noise on the harmonics counts as tone: five bins of 7.8 Hz for each.
    under = min(1.0, 5 * 7.8125 / f0_hz)
    expected_db = 10 * np.log10((10 ** (ratio_db / 10) + under) / (1 - under))
    assert np.median(measured_db[10:110]) == pytest.approx(expected_db, abs=2.0)
    assert np.median(harmonic_to_noise_db(clean, pitch)[10:110]) > 30.0


def test_silence_that_is_none_is_measured() -> None:
    note = np.where(SECONDS < 3.0, tone(220.0), 0.0)
    hiss = np.random.default_rng(0).standard_normal(NOTE_SAMPLES) * 0.01
    assert timbre.silence_level_db(note, note + hiss) == pytest.approx(-40.0, abs=0.3)
    assert timbre.silence_level_db(note, note) == -120.0
    assert timbre.silence_level_db(tone(220.0), hiss) is None


def test_full_scale_sinusoid_has_power_one() -> None:
    sinusoid = np.sin(2 * np.pi * 1000.0 * SECONDS)
    power = stft_power(sinusoid, 1024, 256)
    assert power.shape == (1 + NOTE_SAMPLES // 256, 513)
    assert power[100].max() == pytest.approx(1.0, abs=0.01)
    assert power[100].argmax() == 64


def test_identical_audio_has_no_spectral_loss() -> None:
    from components.synths.losses import spectral_loss

    note = make_note().audio[None]
    assert spectral_loss(note, note)[0] == 0.0
    assert spectral_loss(note, 0 * note)[0] > 1.0
