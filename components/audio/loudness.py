"""Loudness: the names of the models' definitions, and the data set's own (`loudness/db`), which is a third one.

Every model is trained with, evaluated with and given loudness by one definition, named in its card:

* "ddsp-3.7" (LOUDNESS_DEFINITION): A-weighted mean power in dB; components.synths.loudness computes it with ddsp.
* "ddsp-3.7-power" (POWER_DEFINITION): mean power in dB, unweighted, which the plugin DDSP-VST uses.

The records hold another one, `nsynth_loudness_db`, which no model is given: the definition of ddsp before 2.0,
`spectral_ops.compute_loudness`, as tensorflow_datasets' nsynth builder has it. It is the mean over 1025 bins of dB
values of an STFT of 2048 points every 64 samples, each frame beginning at its hop: the magnitude in dB plus the A
weighting minus 20.7, not below -120 per bin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from components.nsynth.note import HOP_SAMPLES, SAMPLE_RATE_HZ, FloatArray

LOUDNESS_DEFINITION = "ddsp-3.7"
POWER_DEFINITION = "ddsp-3.7-power"
WINDOW_SAMPLES = {LOUDNESS_DEFINITION: 512, POWER_DEFINITION: 1024}
"""Of each definition: the length of the window, in samples, that is centred on a frame's first sample."""
FLOOR_DB = -80.0
"""The lowest value of both definitions."""

_FFT_SAMPLES = 2048
_REFERENCE_DB = 20.7
_BIN_FLOOR_DB = -120.0
_SMALLEST_MAGNITUDE = 1e-20


def a_weighting_db(frequencies_hz: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """Returns the A weighting in dB, not below -80 (IEC 61672-1:2013, annex E; librosa's `A_weighting`)."""
    squared = frequencies_hz**2
    poles = np.array([12194.217, 20.598997, 107.65265, 737.86223]) ** 2
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
