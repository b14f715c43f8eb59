"""Hears whether a model has gone silent or lost its pitch: a cheap check of every validation, on the held-out notes.

A spectral loss falls for a while when a synthesizer only turns its tone down and leaves the noise. Such a training does
not come back, so the loop begins it again with another seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from components.nsynth.note import HOP_SAMPLES, SAMPLE_RATE_HZ
from components.synths.ddsp_imports import tf

_WINDOW = 1_024
_STRIDE_FRAMES = 32  # an eighth of a second
_LONGEST_LAG = 512  # samples: the period of 31 Hz
_MOST_PERIODS = 8
_SILENT_RMS = 1e-6


def level_and_pitch(audio: Any, reference: Any, f0_hz: Any) -> Any:
    """Measures the level of a resynthesis and of its note, and how much of each repeats at the note's pitch.

    Args:
        audio: The resynthesis, f32[1, samples].
        reference: The note, the same shape.
        f0_hz: Its pitch in Hz, f32[1, frames].

    Returns:
        Level of the note and of the resynthesis in dB of full scale, then their correlations with themselves, some
        periods later, over the windows in which the note sounds, -1..1 (1: a tone of this pitch), f32[1, 4].
    """
    both = tf.stack([reference[0], audio[0]])
    frames = tf.range(0, f0_hz.shape[1] - (_WINDOW + _LONGEST_LAG) // HOP_SAMPLES, _STRIDE_FRAMES)
    periods = SAMPLE_RATE_HZ / tf.clip_by_value(tf.gather(f0_hz[0], frames), 20.0, SAMPLE_RATE_HZ / 4)
    lags = _whole_lags(periods)
    at = HOP_SAMPLES * frames[:, None] + tf.range(_WINDOW)
    first, later = tf.gather(both, at, axis=1), tf.gather(both, at + lags[:, None], axis=1)
    power, power_later = (tf.reduce_sum(each**2, axis=-1) for each in (first, later))
    product = tf.reduce_sum(first * later, axis=-1)
    floor = _WINDOW * _SILENT_RMS**2
    correlation = product * tf.math.rsqrt((power + floor) * (power_later + floor))
    # Weighted by the note's power: where it is silent, nothing is asked for.
    weights = power[:1] / (tf.reduce_sum(power[:1]) + floor)
    level_db = 10 / np.log(10) * tf.math.log(tf.reduce_mean(both**2, axis=1) + _SILENT_RMS**2)
    return tf.concat([level_db, tf.reduce_sum(weights * correlation, axis=1)], axis=0)[None]


def _whole_lags(periods: Any) -> Any:
    """Returns for each period, in samples, the whole number of samples nearest to some periods, i32[periods]."""
    multiples = tf.range(1, _MOST_PERIODS + 1, dtype=tf.float32) * periods[:, None]
    off = tf.abs(multiples - tf.round(multiples))
    usable = (multiples <= _LONGEST_LAG) & (multiples >= _LONGEST_LAG / _MOST_PERIODS) | (multiples == periods[:, None])
    best = tf.argmin(tf.where(usable, off, 1.0), axis=1)
    lags = tf.cast(tf.round(tf.gather(multiples, best, batch_dims=1)), tf.int32)
    return tf.minimum(lags, _LONGEST_LAG)
