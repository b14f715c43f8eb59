"""How far the timbre of a resynthesis is from its note's: numbers on plain arrays, one note at a time. No TensorFlow.

The spectral loss, ddsp's multi-scale one, is the training's own: components.synths.losses.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from components.audio.spectrum import framed, stft_power
from components.nsynth.note import SAMPLE_RATE_HZ

Array = NDArray[np.floating[Any]]

MEL_BANDS = 80
_MEL_WINDOW_SAMPLES = 1024
_HOP_SAMPLES = 256
_MEL_RANGE_DB = 80.0
_MFCC = slice(1, 14)
_SILENT_RMS = 10 ** (-70 / 20)
_LEAST_SILENCE_FRAMES = 16  # a quarter of a second
_FLOOR_DB = -120.0


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


def mel_distances(reference: Array, other: Array) -> tuple[float, float]:
    """Compares log-mel spectrograms: 80 bands in dB, Hann window 1024, hop 256.

    Both are clipped below at 80 dB under the reference's loudest cell, so that what nobody hears does not count.

    Args:
        reference: The original's audio, f32[samples].
        other: The resynthesis, f32[samples].

    Returns:
        The mean absolute difference, in dB; and the mean Euclidean distance of the mel-frequency cepstral coefficients
        1 to 13 (orthonormal DCT-II over the bands), which leaves the level out and keeps the shape of the spectrum.
    """

    def mel_db(audio: Array) -> Array:
        power = stft_power(audio, _MEL_WINDOW_SAMPLES, _HOP_SAMPLES) @ _mel_matrix()
        level: Array = 10.0 * np.log10(np.maximum(power, 1e-20))
        return level

    reference_db, other_db = mel_db(reference), mel_db(other)
    floor_db = reference_db.max() - _MEL_RANGE_DB
    difference_db = np.maximum(other_db, floor_db) - np.maximum(reference_db, floor_db)
    cepstral = dct(difference_db, type=2, norm="ortho", axis=1)[:, _MFCC]
    return float(np.mean(np.abs(difference_db))), float(np.mean(np.linalg.norm(cepstral, axis=1)))


def silence_level_db(reference: Array, other: Array) -> float | None:
    """Returns how loud a sound is where another is silent: its RMS level in dB of full scale, -120 at least.

    Args:
        reference: The one that says where there is silence (below -70 dB), f32[samples].
        other: The one that is measured, the same shape.

    Returns:
        None where the reference has less than a quarter of a second of silence.
    """
    silent = np.sqrt(np.mean(np.square(framed(reference, _HOP_SAMPLES, _HOP_SAMPLES)), axis=1)) < _SILENT_RMS
    if silent.sum() < _LEAST_SILENCE_FRAMES:
        return None
    power = np.mean(np.square(framed(other, _HOP_SAMPLES, _HOP_SAMPLES)[silent]))
    return max(_FLOOR_DB, float(10.0 * np.log10(max(power, 1e-20))))
