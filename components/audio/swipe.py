"""How well a pitch explains a spectrum, by SWIPE': a second opinion where two pitch trackers disagree.

Camacho and Harris, A sawtooth waveform inspired pitch estimator for speech and music, JASA 124 (2008): the square root
of the magnitudes, on an axis of equal critical bands, against a kernel with a peak at each prime harmonic and at the
first, and valleys between them. Half and twice the true pitch fit worse: their harmonics meet the valleys. The method
shares nothing with swift-f0 (a network) nor with autocorrelation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from components.audio.spectrum import frame_power
from components.nsynth.note import SAMPLE_RATE_HZ

Array = npt.NDArray[np.floating[Any]]

_WINDOW_SAMPLES = 2048  # eight periods of 62 Hz, as the authors have it
_LOWEST_ERB, _ERB_STEP = 1.0, 0.1
_HIGHEST_HZ = SAMPLE_RATE_HZ / 2
_PRIMES = (1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)


def strengths(audio: Array, centres: npt.NDArray[np.intp], f0_hz: Array) -> Array:
    """Returns how well pitches explain some frames of a sound, -1..1, of f0_hz's shape; -1 for a pitch of 0.

    Args:
        audio: f32[samples] at 16 kHz.
        centres: The samples in the middle of the frames, [frames].
        f0_hz: Pitches to try in each frame, in Hz, [frames, pitches]; 0 for none.
    """
    padded = np.pad(audio, _WINDOW_SAMPLES // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW_SAMPLES)[centres]
    axis_hz, bins_hz = _axis_hz(), np.fft.rfftfreq(_WINDOW_SAMPLES, 1 / SAMPLE_RATE_HZ)
    magnitudes = np.sqrt(frame_power(frames, _WINDOW_SAMPLES)) ** 0.5
    loudness = np.array([np.interp(axis_hz, bins_hz, each) for each in magnitudes])
    loudness /= np.maximum(np.linalg.norm(loudness, axis=1, keepdims=True), 1e-12)
    found: Array = np.einsum("fpa,fa->fp", _kernels(np.maximum(f0_hz, 1.0), axis_hz), loudness)
    return np.where(f0_hz > 0, found, -1.0)


@lru_cache(maxsize=1)
def _axis_hz() -> Array:
    """Returns frequencies a tenth of a critical band apart (Glasberg and Moore)."""
    highest = 21.4 * np.log10(1.0 + _HIGHEST_HZ / 229.0)
    axis: Array = 229.0 * (10.0 ** (np.arange(_LOWEST_ERB, highest, _ERB_STEP) / 21.4) - 1.0)
    return axis


def _kernels(f0_hz: Array, axis_hz: Array) -> Array:
    """Returns the kernel of each pitch, [frames, pitches, axis]; its positive part has the norm 1."""
    ratio = axis_hz / f0_hz[..., None]
    nearest = np.round(ratio)
    is_prime = np.isin(nearest, _PRIMES)
    wave = np.cos(2.0 * np.pi * ratio)
    peak = is_prime & (np.abs(ratio - nearest) <= 0.25)
    below, above = np.floor(ratio), np.ceil(ratio)
    beside = np.isin(below, _PRIMES).astype(float) + np.isin(above, _PRIMES)
    valley = ~peak & (np.abs(ratio - nearest) > 0.25)
    kernel = np.where(peak, wave, np.where(valley, 0.5 * beside * wave, 0.0)) / np.sqrt(axis_hz)
    kernel /= np.maximum(np.linalg.norm(np.maximum(kernel, 0.0), axis=-1, keepdims=True), 1e-12)
    return np.asarray(kernel)
