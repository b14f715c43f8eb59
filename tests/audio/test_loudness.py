"""The data set's own loudness, against its formula and librosa."""

import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.signal

from components.audio.loudness import a_weighting_db, nsynth_loudness_db
from components.nsynth.note import NOTE_SAMPLES
from tests.notes import make_note


@pytest.mark.parametrize("samples", [6_400, NOTE_SAMPLES])
def test_loudness_is_the_data_sets_formula(samples):
    audio = make_note("brass", 55).audio[:samples].copy()
    audio[samples // 2 :] *= 1e-4
    audio[-1000:] = 0.0
    frames = samples // 64
    padded = np.pad(audio, (0, (frames - 1) * 64 + 2048 - samples))
    window = scipy.signal.get_window("hann", 2048)
    magnitude = np.abs([scipy.fft.rfft(padded[start : start + 2048] * window) for start in range(0, samples, 64)])
    weighting = librosa.A_weighting(scipy.fft.rfftfreq(2048, 1 / 16_000))
    bins_db = np.maximum(20 * np.log10(np.maximum(1e-20, magnitude)) + weighting - 20.7, -120.0)
    expected = bins_db.mean(axis=1)
    assert expected.shape == (frames,)
    np.testing.assert_allclose(nsynth_loudness_db(audio), expected, atol=1e-4)


def test_a_weighting_is_librosas():
    frequencies_hz = np.linspace(0.0, 8000.0, 500)
    np.testing.assert_allclose(a_weighting_db(frequencies_hz), librosa.A_weighting(frequencies_hz), atol=1e-9)
