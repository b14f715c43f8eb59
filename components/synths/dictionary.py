"""A learned dictionary of wavetables (Shan et al. 2022, arXiv 2111.10003): every frame plays a mixture of them.

A table is held as its partials: a level and a phase for each. So a mixture is one of partials as well, no partial of it
is above Nyquist, and its power is known before it is played.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from components.synths.ddsp_imports import tf

_Array = np.ndarray[Any, Any]

# Adam moves a variable by about the learning rate a step. With this factor, a level moves by 0.09 dB a step at 1e-3
_NEPERS = 10.0
_ROLL_OFFS = (0.5, 1.0, 1.5, 2.0, 3.0)  # of amplitudes, as powers of the partial's number
_BUMP_WIDTH = 0.7  # of the distance between two neighbours
_FLOOR = 1e-3  # lowest initial amplitude of a partial, relative to the table's loudest
SMALLEST_MIXTURE_POWER = 1e-8


def partials_of(points: int) -> int:
    """Returns how many partials tables of a number of points hold: all below half of the points."""
    return (points - 1) // 2


def initial_levels(tables: int, partials: int) -> _Array:
    """Returns the levels of the partials before the training, f32[tables, partials]; see `amplitudes_of`.

    The first tables roll off as k^-0.5 to k^-3, from a buzz to nearly a sine. The others are bumps around partials that
    are evenly spaced on a logarithmic axis. All begin with equal phases, so a mixture adds amplitudes, and mixtures of
    the bumps reach every smooth spectrum.
    """
    number = np.arange(1, partials + 1)
    slopes = [number**-power for power in _ROLL_OFFS[:tables]]
    centres = np.geomspace(1, partials, max(2, tables - len(slopes)))
    width = _BUMP_WIDTH * np.log(centres[1] / centres[0])
    bumps = [np.exp(-0.5 * (np.log(number / centre) / width) ** 2) for centre in centres[: tables - len(slopes)]]
    amplitudes = np.maximum(np.stack([*slopes, *bumps]), _FLOOR)
    amplitudes /= np.sqrt(np.sum(amplitudes**2, axis=1, keepdims=True) / 2)
    levels: _Array = (np.log(amplitudes) / _NEPERS).astype(np.float32)
    return levels


def amplitudes_of(levels: tf.Tensor) -> tf.Tensor:
    """Returns amplitudes from levels: a level is in units of 10 nepers, 87 dB."""
    return tf.exp(_NEPERS * levels)


def mixed(weights: tf.Tensor, levels: tf.Tensor, phases: tf.Tensor, f0_hz: tf.Tensor, sample_rate: float) -> tf.Tensor:
    """Mixes the tables of a dictionary for each frame.

    Args:
        weights: Shares of the tables, whose sum is 1, f32[batch, frames, tables].
        levels: See `amplitudes_of`, f32[tables, partials].
        phases: In cycles; 0 is a sine, f32[tables, partials].
        f0_hz: Fundamental frequency in Hz, f32[batch, frames, 1].
        sample_rate: In Hz. Partials at half of this and above are left out.

    Returns:
        One period of the waveform with RMS 1, as the amplitudes of the sines of its partials and then of the cosines,
        f32[batch, frames, 2 * partials]; zeros where no partial is below Nyquist.
    """
    amplitudes, angles = amplitudes_of(levels), 2 * np.pi * phases
    tables = tf.concat([amplitudes * tf.cos(angles), amplitudes * tf.sin(angles)], axis=1)
    count = levels.shape[1]
    number = tf.tile(tf.range(1, count + 1, dtype=tf.float32), [2])
    audible = tf.cast(f0_hz * number < sample_rate / 2, tf.float32)
    mixture = audible * tf.matmul(weights, tables)
    power = tf.reduce_sum(mixture**2, axis=-1, keepdims=True) / 2
    return mixture * tf.math.rsqrt(power + SMALLEST_MIXTURE_POWER)


@lru_cache(maxsize=8)
def to_points(points: int) -> _Array:
    """Returns the matrix from partials, sines and then cosines, to the points of one period, f32[2 * partials, points].

    Point 0 is at phase 0.
    """
    angles = 2 * np.pi * np.outer(np.arange(1, partials_of(points) + 1), np.arange(points)) / points
    return np.concatenate([np.sin(angles), np.cos(angles)]).astype(np.float32)


def to_partials(points: int) -> _Array:
    """Returns the inverse of `to_points`, f32[points, 2 * partials]; it leaves out the mean and half of the points."""
    return (to_points(points).T * 2 / points).astype(np.float32)
