"""Comparisons of a resynthesis with its note: pitch, loudness, timbre, silence. Plain arrays, one note at a time.

The quantities themselves are defined in components.audio. The spectral loss, ddsp's multi-scale one, is the training's
own: components.synths.losses.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from components.audio.levels import LEVEL_FRAME_SAMPLES, silent_frames, sounding_frames
from components.audio.spectrum import framed
from components.audio.timbre import COARSE_MEL, FINE_MEL, MelResolution, mel_spectrogram_db

Array = NDArray[np.floating[Any]]

_MEL_RANGE_DB = 80.0
_COEFFICIENTS = (13, 20)  # the first of which is the level: as many as speech has, and as librosa has for music
_LEAST_SILENCE_FRAMES = 16  # a quarter of a second
_FLOOR_DB = -120.0


def loudness_errors_db(reference_db: Array, other_db: Array) -> tuple[float, float]:
    """Compares two loudness curves over the reference's sounding frames.

    Args:
        reference_db: Loudness of the original by a definition of the models, f32[frames].
        other_db: Loudness of the resynthesis by the same definition, f32[frames].

    Returns:
        The mean absolute difference; and the mean difference, below 0 where the other is too quiet; in dB. NaN where
        the original is silent.
    """
    difference_db = (other_db - reference_db)[sounding_frames(reference_db)]
    if not len(difference_db):
        return math.nan, math.nan
    return float(np.mean(np.abs(difference_db))), float(np.mean(difference_db))


def mel_distances(reference: Array, other: Array) -> tuple[float, float]:
    """Compares log-mel spectrograms, and takes the mean of a coarse and of a fine resolution.

    Both sounds are clipped below at 80 dB under the reference's loudest cell, so that inaudible differences do not
    count. Judges differ in their resolution and in the number of coefficients: on 48 notes of models, the two
    resolutions agree in the order of the cepstral distances by a rank correlation of 0.8, 12 and 19 coefficients by
    0.9. The mean agrees with each better than they do with each other.

    Args:
        reference: The original's audio, f32[samples].
        other: The resynthesis, f32[samples].

    Returns:
        The mean absolute difference, in dB; and the mean Euclidean distance of the mel-frequency cepstral coefficients
        from 1 on (orthonormal DCT-II over the bands), which leaves the level out and keeps the shape of the spectrum:
        the mean for the coefficients up to 12 and up to 19.
    """
    found = [_mel_distances(reference, other, resolution) for resolution in (COARSE_MEL, FINE_MEL)]
    log_mel_db, cepstral = np.mean(found, axis=0)
    return float(log_mel_db), float(cepstral)


def _mel_distances(reference: Array, other: Array, resolution: MelResolution) -> tuple[float, float]:
    reference_db, other_db = (mel_spectrogram_db(sound, resolution) for sound in (reference, other))
    floor_db = reference_db.max() - _MEL_RANGE_DB
    difference_db = np.maximum(other_db, floor_db) - np.maximum(reference_db, floor_db)
    cepstral = dct(difference_db, type=2, norm="ortho", axis=1)
    distances = [np.linalg.norm(cepstral[:, 1:count], axis=1) for count in _COEFFICIENTS]
    return float(np.mean(np.abs(difference_db))), float(np.mean(distances))


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
