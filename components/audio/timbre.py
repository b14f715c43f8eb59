"""Quantities of timbre: mel spectrograms, and how much of a sound its harmonics are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from components.audio.spectrum import harmonic_numbers, stft_power
from components.nsynth.note import HOP_SAMPLES, SAMPLE_RATE_HZ

Array = NDArray[np.floating[Any]]

_HARMONICS_WINDOW_SAMPLES = 2048  # resolves harmonics of 47 Hz
_HOP_SAMPLES = 256

MelScale = Literal["htk", "slaney"]
_LINEAR_BELOW_HZ, _LINEAR_HZ, _LOG_STEP = 1000.0, 200.0 / 3.0, np.log(6.4) / 27.0  # of Slaney's scale


@dataclass(frozen=True)
class MelResolution:
    """How a mel spectrogram is computed.

    Attributes:
        window_samples: Of the Hann window; the hop is a quarter.
        bands: Triangular bands of equal area between 0 Hz and 8 kHz.
        scale: On which mel scale they are equally wide: 2595 log10(1 + f / 700), or Slaney's Auditory Toolbox, linear
            below 1 kHz.
    """

    window_samples: int
    bands: int
    scale: MelScale


COARSE_MEL, FINE_MEL = MelResolution(1024, 64, "htk"), MelResolution(2048, 128, "slaney")
"""The resolutions that are usual for music at 16 kHz: one hears attacks, the other the harmonics of low notes."""


def _mel_of_hz(hz: Array, scale: MelScale) -> Array:
    mel: Array = 2595.0 * np.log10(1.0 + hz / 700.0)
    if scale == "htk":
        return mel
    above = _LINEAR_BELOW_HZ / _LINEAR_HZ + np.log(np.maximum(hz, 1.0) / _LINEAR_BELOW_HZ) / _LOG_STEP
    return np.where(hz < _LINEAR_BELOW_HZ, hz / _LINEAR_HZ, above)


@cache
def _mel_matrix(resolution: MelResolution) -> Array:
    """Returns the bands, [bins, bands], each with the area 1 over Hz."""
    bins_hz = np.linspace(0.0, SAMPLE_RATE_HZ / 2, resolution.window_samples // 2 + 1)
    mel = _mel_of_hz(bins_hz, resolution.scale)
    # The scale is monotonic: its inverse is interpolated on a fine grid.
    grid_hz = np.linspace(0.0, SAMPLE_RATE_HZ / 2, 1 << 16)
    edges_mel = np.linspace(0.0, mel[-1], resolution.bands + 2)
    edges = np.interp(edges_mel, _mel_of_hz(grid_hz, resolution.scale), grid_hz)
    rising = (bins_hz[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins_hz[:, None]) / (edges[2:] - edges[1:-1])
    matrix: Array = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (edges[2:] - edges[:-2])
    return matrix


def mel_spectrogram_db(audio: Array, resolution: MelResolution) -> Array:
    """Returns the level of mel bands in dB.

    Args:
        audio: f32[samples] in -1..1.
        resolution: See `MelResolution`.

    Returns:
        f[1 + samples // hop, bands].
    """
    window = resolution.window_samples
    power = stft_power(audio, window, window // 4) @ _mel_matrix(resolution)
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
