"""Loudness: the two definitions of the models, and the data set's own (`loudness/db`), which is a third one.

Every model is trained with, evaluated with and given loudness by one definition, named in its card; `loudness_db`
computes both:

* "ddsp-3.7" (LOUDNESS_DEFINITION): A-weighted mean power in dB.
* "ddsp-3.7-power" (POWER_DEFINITION): mean power in dB, unweighted, which the plugin DDSP-VST uses.

The records hold another one, `nsynth_loudness_db`, which no model is given: the definition of ddsp before 2.0,
`spectral_ops.compute_loudness`, as tensorflow_datasets' nsynth builder has it. It is the mean over 1025 bins of dB
values of an STFT of 2048 points every 64 samples, each frame beginning at its hop: the magnitude in dB plus the A
weighting minus 20.7, not below -120 per bin.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from components.core.errors import InputError
from components.nsynth.note import HOP_SAMPLES, SAMPLE_RATE_HZ, FloatArray

LOUDNESS_DEFINITION = "ddsp-3.7"
POWER_DEFINITION = "ddsp-3.7-power"
WINDOW_SAMPLES = {LOUDNESS_DEFINITION: 512, POWER_DEFINITION: 1024}
"""Of each definition: the length of the window, in samples, that is centred on a frame's first sample."""
FLOOR_DB = -80.0
"""The lowest value of both definitions."""
A_WEIGHTING_POLES_HZ = (12194.217, 20.598997, 107.65265, 737.86223)
"""Frequencies of the poles of the A weighting; the first two are double (IEC 61672-1:2013, annex E)."""

_FRAMES_AT_ONCE = 128  # 256 to 512 KB of samples, which stay in the cache of a core: twice as fast as all at once

_FFT_SAMPLES = 2048
_REFERENCE_DB = 20.7
_BIN_FLOOR_DB = -120.0
_SMALLEST_MAGNITUDE = 1e-20


def a_weighting_db(frequencies_hz: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """Returns the A weighting in dB, not below -80 (IEC 61672-1:2013, annex E; librosa's `A_weighting`)."""
    squared = frequencies_hz**2
    poles = np.square(A_WEIGHTING_POLES_HZ)
    with np.errstate(divide="ignore"):
        weights = 2.0 + 20.0 * (
            np.log10(poles[0])
            + 2.0 * np.log10(squared)
            - np.log10(squared + poles[0])
            - np.log10(squared + poles[1])
            - 0.5 * np.log10(squared + poles[2])
            - 0.5 * np.log10(squared + poles[3])
        )
    floored: npt.NDArray[np.floating[Any]] = np.maximum(weights, -80.0)
    return floored


def loudness_db(audio: npt.ArrayLike, definition: str = LOUDNESS_DEFINITION) -> FloatArray:
    """Computes the loudness that a model is trained with and must be given. Its card names the definition.

    "ddsp-3.7" is ddsp 3.7's `spectral_ops.compute_loudness`: the A-weighted mean power of a 512-sample frame centred at
    sample 64 * i, in dB, not below -80. "ddsp-3.7-power" is its `compute_power` as its vst.gin has it: the mean power
    of 1,024 samples, unweighted, in dB, not below -80. The records hold another definition (the mean of dB values, some
    75 dB lower), which is never given to a model.

    Computed here rather than by ddsp: in a fifth of the time, which augmentation needs at every step.

    Args:
        audio: Mono at 16 kHz, -1..1, [batch, samples]; a whole number of 64-sample hops.
        definition: One of WINDOW_SAMPLES.

    Returns:
        Loudness in dB, about -80..0, f32[batch, samples / 64].

    Raises:
        InputError: The definition is unknown: a newer Luthier made the model.
    """
    if definition not in WINDOW_SAMPLES:
        raise InputError(
            f"the model needs the loudness '{definition}', which is unknown: expected {' or '.join(WINDOW_SAMPLES)}; "
            "update Luthier"
        )
    mean_power = _mean_power if definition == POWER_DEFINITION else _a_weighted_mean_power
    size = WINDOW_SAMPLES[definition]
    padded = np.pad(np.asarray(audio, np.float32), ((0, 0), (size // 2, size // 2)))
    # One frame more than hops would fit: it is centred on the end of the audio and controls nothing.
    frames = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1)[:, :-1:HOP_SAMPLES]
    power = np.empty(frames.shape[:2], np.float32)
    for row, of_row in zip(power, frames, strict=True):
        for first in range(0, len(row), _FRAMES_AT_ONCE):
            some = slice(first, first + _FRAMES_AT_ONCE)
            row[some] = mean_power(of_row[some])
    smallest = np.float32(10 ** (FLOOR_DB / 10))
    levels_db: FloatArray = np.maximum(10 * np.log10(np.maximum(power, smallest)), np.float32(FLOOR_DB))
    return levels_db


def _mean_power(frames: FloatArray) -> FloatArray:
    power: FloatArray = np.mean(np.square(frames), axis=1)
    return power


def _a_weighted_mean_power(frames: FloatArray) -> FloatArray:
    window, weighting = _hann_and_a_weighting(frames.shape[1])
    # Real and imaginary parts in turns.
    spectrum = np.fft.rfft(frames * window).astype(np.complex64, copy=False).view(np.float32)
    power: FloatArray = np.square(spectrum, out=spectrum) @ weighting
    return power


@lru_cache(maxsize=2)
def _hann_and_a_weighting(size: int) -> tuple[FloatArray, FloatArray]:
    """Returns the window, f32[size], and the factors of squared real and imaginary parts, f32[size + 2]: their mean."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    factors = 10 ** (a_weighting_db(np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)) / 10)
    return window.astype(np.float32), np.repeat(factors / len(factors), 2).astype(np.float32)


def nsynth_loudness_db(audio: FloatArray) -> FloatArray:
    """Computes the data set's own loudness of every frame.

    Args:
        audio: f32[n], mono at 16 kHz, n a multiple of 64.

    Returns:
        f32[n / 64], about -120..0 dB. Silence is appended to the audio.
    """
    padded = np.concatenate([audio, np.zeros(_FFT_SAMPLES - HOP_SAMPLES, np.float32)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SAMPLES)[::HOP_SAMPLES]
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(_FFT_SAMPLES) / _FFT_SAMPLES)
    magnitude = np.maximum(np.abs(np.fft.rfft(frames * window)), _SMALLEST_MAGNITUDE)
    offset_db = a_weighting_db(np.fft.rfftfreq(_FFT_SAMPLES, 1.0 / SAMPLE_RATE_HZ)) - _REFERENCE_DB
    bins_db = np.maximum(20.0 * np.log10(magnitude) + offset_db, _BIN_FLOOR_DB)
    mean_db: FloatArray = bins_db.mean(axis=1).astype(np.float32)
    return mean_db
