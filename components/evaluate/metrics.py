"""How far a resynthesis is from its note: numbers on plain arrays, one note at a time. No TensorFlow.

The fourth number of an evaluation, ddsp's multi-scale spectral loss, is the training's own: components.synths.losses.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.nsynth.note import FRAME_RATE_HZ, SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from swift_f0 import SwiftF0

Array = NDArray[np.floating[Any]]

MEL_BANDS = 80
_MEL_WINDOW_SAMPLES = 1024
_MEL_HOP_SAMPLES = 256
_MEL_RANGE_DB = 80.0

VOICED_CONFIDENCE = 0.5
SOUNDING_RANGE_DB = 40.0
"""A frame sounds when it is less than this below its note's loudest frame: what is under it, no listener misses."""


def stft_power(audio: Array, window_samples: int, hop_samples: int, fft_samples: int | None = None) -> Array:
    """Returns the power of a Hann-windowed short-time Fourier transform; 1.0 is a sinusoid of full scale.

    Args:
        audio: f32[samples] in -1..1; its ends are padded with silence: frames are centred on multiples of the hop.
        window_samples: Length of the window.
        hop_samples: Distance of the frames.
        fft_samples: Length of the transform, at least the window's; longer interpolates the spectrum.

    Returns:
        Power, [1 + samples // hop, fft_samples // 2 + 1].
    """
    padded = np.pad(audio, window_samples // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window_samples)[::hop_samples]
    window = np.hanning(window_samples + 1)[:-1].astype(np.float32)
    spectrum = np.fft.rfft(frames * window, fft_samples or window_samples, axis=-1)
    power: Array = np.square(np.abs(spectrum) * (2.0 / window.sum()))
    return power


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


def log_mel_distance_db(reference: Array, other: Array) -> float:
    """Returns the mean absolute difference of two log-mel spectrograms, in dB.

    Both are 80 mel bands in dB, clipped below at 80 dB under the reference's loudest cell, so that what nobody hears
    does not count. Hann window 1024, hop 256.

    Args:
        reference: The original's audio, f32[samples].
        other: The resynthesis, f32[samples].
    """

    def mel_db(audio: Array) -> Array:
        power = stft_power(audio, _MEL_WINDOW_SAMPLES, _MEL_HOP_SAMPLES) @ _mel_matrix()
        level: Array = 10.0 * np.log10(np.maximum(power, 1e-20))
        return level

    reference_db, other_db = mel_db(reference), mel_db(other)
    floor_db = reference_db.max() - _MEL_RANGE_DB
    return float(np.mean(np.abs(np.maximum(reference_db, floor_db) - np.maximum(other_db, floor_db))))


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
