"""The models' loudness: ddsp 3.7's definition, not the stored one."""

from __future__ import annotations

import numpy as np
import pytest

from components.audio.loudness import POWER_DEFINITION, WINDOW_SAMPLES, loudness_db
from components.core.errors import InputError
from tests.notes import make_note


def _loudness_reference_db(audio: np.ndarray) -> np.ndarray:
    """ddsp 3.7's compute_loudness in float64: A-weighted mean power of centred 512-sample Hann frames."""
    padded = np.pad(audio.astype(np.float64), 256)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    frames = np.stack([padded[64 * i : 64 * i + 512] for i in range(len(audio) // 64)]) * window
    power = np.abs(np.fft.rfft(frames)) ** 2
    squared_hz = np.fft.rfftfreq(512, 1 / 16000) ** 2
    # IEC 61672-1's A weighting, as a factor of amplitude.
    weight = 12194.217**2 * squared_hz**2 / (squared_hz + 20.598997**2) / (squared_hz + 12194.217**2)
    weight /= np.sqrt((squared_hz + 107.65265**2) * (squared_hz + 737.86223**2))
    level_db = 10 * np.log10(np.maximum((power * (weight * 10**0.1) ** 2).mean(axis=1), 1e-20))
    return np.maximum(level_db, -80.0)


def test_loudness_is_ddsp_s_by_formula_and_not_the_stored_one():
    note = make_note(pitch=57)
    heard_db = loudness_db(note.audio[None])
    assert heard_db.shape == (1, 1000)
    assert heard_db.dtype == np.float32
    np.testing.assert_allclose(heard_db[0], _loudness_reference_db(note.audio), atol=0.05)
    sounding = note.f0_hz > 0
    assert np.median(heard_db[0, sounding] - note.loudness_db[sounding]) > 30  # the trap: another definition


def test_loudness_is_that_of_the_installed_ddsp():
    from components.synths.ddsp_imports import ddsp

    audio = np.stack([make_note(pitch=pitch).audio for pitch in range(50, 59)])
    for row, heard_db in zip(audio, loudness_db(audio), strict=True):
        with np.errstate(divide="ignore"):
            expected = ddsp.spectral_ops.compute_loudness(row[None], 16000, 250).numpy()[0, :1000]
        np.testing.assert_allclose(heard_db, expected, atol=1e-4)


def test_power_is_the_mean_square_of_1024_samples():
    audio = make_note(pitch=57).audio
    padded = np.pad(audio.astype(np.float64), 512)
    frames = np.stack([padded[64 * i : 64 * i + 1024] for i in range(1000)])
    expected = np.maximum(10 * np.log10(np.maximum((frames**2).mean(axis=1), 1e-20)), -80.0)
    np.testing.assert_allclose(loudness_db(audio[None], POWER_DEFINITION)[0], expected, atol=1e-3)


def test_power_is_what_ddsp_hears_for_its_plugin_at_50_frames_a_second():
    from components.synths.ddsp_imports import ddsp

    audio = make_note(pitch=57).audio[None]
    expected = ddsp.spectral_ops.compute_power(audio, 16000, frame_rate=50, frame_size=1024).numpy()[:, :200]
    np.testing.assert_allclose(loudness_db(audio, POWER_DEFINITION)[:, ::5], expected, atol=1e-4)


def test_a_loudness_that_is_not_known():
    with pytest.raises(InputError, match="needs the loudness 'sones', which is unknown"):
        loudness_db(np.zeros((1, 640)), "sones")


@pytest.mark.parametrize("definition", WINDOW_SAMPLES)
def test_silence_has_the_least_loudness(definition):
    np.testing.assert_allclose(loudness_db(np.zeros((1, 640)), definition), np.full((1, 10), -80.0), atol=1e-3)
