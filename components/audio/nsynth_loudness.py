"""The data set's own loudness (`loudness/db`), which is not the one that ddsp's models hear.

Definition: ddsp before 2.0, `spectral_ops.compute_loudness`, as tensorflow_datasets' nsynth builder has it: STFT of
2048 points every 64 samples, the frame's first sample on the hop; dB of the magnitude plus the A weighting minus 20.7,
not below -120 per bin; the mean over the 1025 bins of these dB values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from components.nsynth.note import HOP_SAMPLES, SAMPLE_RATE_HZ

_FFT_SAMPLES = 2048
_REFERENCE_DB = 20.7
_FLOOR_DB = -120.0
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


def loudness_db(audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Computes the loudness of every frame.

    Args:
        audio: f32[n], mono at 16 kHz, n a multiple of 64.

    Returns:
        f32[n / 64], about -120..0 dB. The audio goes on as silence behind its end.
    """
    padded = np.concatenate([audio, np.zeros(_FFT_SAMPLES - HOP_SAMPLES, np.float32)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SAMPLES)[::HOP_SAMPLES]
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(_FFT_SAMPLES) / _FFT_SAMPLES)
    magnitude = np.maximum(np.abs(np.fft.rfft(frames * window)), _SMALLEST_MAGNITUDE)
    offset_db = a_weighting_db(np.fft.rfftfreq(_FFT_SAMPLES, 1.0 / SAMPLE_RATE_HZ)) - _REFERENCE_DB
    bins_db = np.maximum(20.0 * np.log10(magnitude) + offset_db, _FLOOR_DB)
    mean_db: npt.NDArray[np.float32] = bins_db.mean(axis=1).astype(np.float32)
    return mean_db
