"""Quantities of timbre: mel spectrograms, and how much of a sound its harmonics are."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.audio.spectrum import harmonic_numbers, stft_power
from components.nsynth.note import HOP_SAMPLES, SAMPLE_RATE_HZ

Array = NDArray[np.floating[Any]]

MEL_BANDS = 80
_MEL_WINDOW_SAMPLES = 1024
_HARMONICS_WINDOW_SAMPLES = 2048  # resolves harmonics of 47 Hz
_HOP_SAMPLES = 256


def _mel_of_hz(hz: Array) -> Array:
    """HTK's mel scale: 2595 log10(1 + f / 700)."""
    mel: Array = 2595.0 * np.log10(1.0 + hz / 700.0)
    return mel


@lru_cache(maxsize=1)
def _mel_matrix() -> Array:
    """Returns triangular mel bands of peak 1 between 20 Hz and 8 kHz, [bins, MEL_BANDS]."""
    bins = _mel_of_hz(np.linspace(0.0, SAMPLE_RATE_HZ / 2, _MEL_WINDOW_SAMPLES // 2 + 1))
    edges = np.linspace(_mel_of_hz(np.array(20.0)), _mel_of_hz(np.array(SAMPLE_RATE_HZ / 2.0)), MEL_BANDS + 2)
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    matrix: Array = np.maximum(0.0, np.minimum(rising, falling))
    return matrix


def mel_spectrogram_db(audio: Array) -> Array:
    """Returns the level of 80 mel bands in dB, not below -200: Hann window 1024, hop 256.

    Args:
        audio: f32[samples] in -1..1.

    Returns:
        f[1 + samples // 256, MEL_BANDS].
    """
    power = stft_power(audio, _MEL_WINDOW_SAMPLES, _HOP_SAMPLES) @ _mel_matrix()
    level_db: Array = 10.0 * np.log10(np.maximum(power, 1e-20))
    return level_db


def harmonic_to_noise_db(audio: Array, f0_hz: Array) -> Array:
    """Returns how much louder a sound's harmonics are than what lies between them, in dB.

    Of every frame (Hann window 2048, hop 256): the power near multiples of f0 over all other power (see
    spectrum.harmonic_numbers).

    Args:
        audio: f32[samples].
        f0_hz: Its pitch at 250 frames a second, f32[samples / 64]; 0 where there is none.

    Returns:
        f64[1 + samples // 256]; NaN where there is no pitch.
    """
    power = stft_power(audio, _HARMONICS_WINDOW_SAMPLES, _HOP_SAMPLES)
    pitch = np.append(f0_hz, f0_hz[-1:])[:: _HOP_SAMPLES // HOP_SAMPLES][: len(power)].astype(np.float64)
    harmonic = harmonic_numbers(pitch, power.shape[1], SAMPLE_RATE_HZ / _HARMONICS_WINDOW_SAMPLES) > 0
    tone, noise = (power * harmonic).sum(axis=1), (power * ~harmonic).sum(axis=1)
    ratio_db = 10.0 * np.log10(np.maximum(tone, 1e-20) / np.maximum(noise, 1e-20))
    return np.where(pitch > 0, ratio_db, np.nan)
