"""Comparisons of a resynthesis with its note: pitch, loudness, timbre, silence. Plain arrays, one note at a time.

The quantities themselves are defined in components.audio. The spectral loss, ddsp's multi-scale one, is the training's
own: components.synths.losses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from components.audio.levels import LEVEL_FRAME_SAMPLES, silent_frames, sounding_frames
from components.audio.spectrum import framed
from components.audio.timbre import mel_spectrogram_db

Array = NDArray[np.floating[Any]]

_MEL_RANGE_DB = 80.0
_MFCC = slice(1, 14)
_LEAST_SILENCE_FRAMES = 16  # a quarter of a second
_FLOOR_DB = -120.0


def loudness_error_db(reference_db: Array, other_db: Array) -> float:
    """Returns the mean absolute difference of two loudness curves over the reference's sounding frames, in dB.

    Args:
        reference_db: Loudness of the original by a definition of the models, f32[frames]; some of it sounds.
        other_db: Loudness of the resynthesis by the same definition, f32[frames].
    """
    return float(np.mean(np.abs(other_db - reference_db)[sounding_frames(reference_db)]))


def pitch_error_cents(f0_hz: Array, heard_hz: Array, voiced: NDArray[np.bool_]) -> Array:
    """Returns the absolute pitch error 1200 |log2(heard / asked)| in cents, one value a frame that can be compared.

    Args:
        f0_hz: The pitch that was asked for, [frames].
        heard_hz: The pitch that a tracker found, [frames]; 0 or NaN where it found none.
        voiced: Where the pitch asked for is to be trusted, bool[frames].

    Returns:
        Cents, [<= frames]; empty where nothing was asked for or nothing was found.
    """
    both = voiced & (f0_hz > 0) & (heard_hz > 0)
    cents: Array = 1200.0 * np.abs(np.log2(heard_hz[both] / f0_hz[both]))
    return cents


def mel_distances(reference: Array, other: Array) -> tuple[float, float]:
    """Compares log-mel spectrograms; see timbre.mel_spectrogram_db.

    Both are clipped below at 80 dB under the reference's loudest cell, so that inaudible differences do not count.

    Args:
        reference: The original's audio, f32[samples].
        other: The resynthesis, f32[samples].

    Returns:
        The mean absolute difference, in dB; and the mean Euclidean distance of the mel-frequency cepstral coefficients
        1 to 13 (orthonormal DCT-II over the bands), which leaves the level out and keeps the shape of the spectrum.
    """
    reference_db, other_db = mel_spectrogram_db(reference), mel_spectrogram_db(other)
    floor_db = reference_db.max() - _MEL_RANGE_DB
    difference_db = np.maximum(other_db, floor_db) - np.maximum(reference_db, floor_db)
    cepstral = dct(difference_db, type=2, norm="ortho", axis=1)[:, _MFCC]
    return float(np.mean(np.abs(difference_db))), float(np.mean(np.linalg.norm(cepstral, axis=1)))


def silence_level_db(reference: Array, other: Array) -> float | None:
    """Returns how loud a sound is where another is silent: its RMS level in dB of full scale, -120 at least.

    Args:
        reference: The note whose silent frames count (see levels.silent_frames), f32[samples].
        other: The sound that is measured, the same shape.

    Returns:
        None where the reference has less than a quarter of a second of silence.
    """
    silent = silent_frames(reference)
    if silent.sum() < _LEAST_SILENCE_FRAMES:
        return None
    power = float(np.mean(np.square(framed(other, LEVEL_FRAME_SAMPLES, LEVEL_FRAME_SAMPLES)[silent])))
    return max(_FLOOR_DB, float(10.0 * np.log10(max(power, 1e-20))))
