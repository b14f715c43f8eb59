"""How far the pitch and the loudness of a resynthesis are from its note's: plain arrays, one note at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.nsynth.note import FRAME_RATE_HZ, SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from swift_f0 import SwiftF0

Array = NDArray[np.floating[Any]]

VOICED_CONFIDENCE = 0.5
SOUNDING_RANGE_DB = 40.0
"""A frame sounds when it is less than this below its note's loudest frame: what is under it, no listener misses."""


def sounding(loudness_db: Array) -> NDArray[np.bool_]:
    """Returns which frames sound: at most SOUNDING_RANGE_DB below the loudest. loudness_db: f32[frames]."""
    mask: NDArray[np.bool_] = loudness_db > loudness_db.max() - SOUNDING_RANGE_DB
    return mask


def loudness_error_db(reference_db: Array, other_db: Array) -> float:
    """Returns the mean absolute difference of two loudness curves over the reference's sounding frames, in dB.

    Args:
        reference_db: Loudness of the original by ddsp 3.7's definition, f32[frames].
        other_db: Loudness of the resynthesis by the same definition, f32[frames].
    """
    mask = sounding(reference_db)
    return float(np.mean(np.abs(other_db - reference_db)[mask]))


def track_pitch_hz(audio: Array, tracker: SwiftF0, n_frames: int) -> Array:
    """Returns the pitch that a tracker hears, on the data set's 250 Hz frames; NaN where it hears none.

    Args:
        audio: f32[samples] at 16 kHz.
        tracker: A swift_f0.SwiftF0 (46.9 to 2093.8 Hz; on a steady tone it is off by some 3 cents itself).
        n_frames: Frames of the result.

    Returns:
        Pitch in Hz, f64[n_frames]: the tracker's nearest frame (it has 62.5 of them a second).
    """
    heard = tracker.detect(audio.astype(np.float32), SAMPLE_RATE_HZ)
    pitch_hz = np.where(heard.confidence >= VOICED_CONFIDENCE, heard.pitch_hz, np.nan)
    seconds = np.arange(n_frames) / FRAME_RATE_HZ
    nearest = np.clip(np.searchsorted(heard.timestamps, seconds - 0.008), 0, len(pitch_hz) - 1)
    return np.asarray(pitch_hz[nearest])


def pitch_error_cents(f0_hz: Array, heard_hz: Array, voiced: NDArray[np.bool_]) -> Array:
    """Returns the absolute pitch error 1200 |log2(heard / asked)| in cents, one value a frame that can be compared.

    Args:
        f0_hz: The pitch that was asked for, [frames].
        heard_hz: The pitch that a tracker heard, [frames], NaN where it heard none.
        voiced: Where the pitch asked for is to be trusted, bool[frames].

    Returns:
        Cents, [<= frames]; empty where nothing was asked for or nothing was heard.
    """
    both = voiced & (f0_hz > 0) & np.isfinite(heard_hz)
    cents: Array = 1200.0 * np.abs(np.log2(heard_hz[both] / f0_hz[both]))
    return cents
