"""Wavetable synthesis with tables that change from frame to frame.

ddsp interpolates the tables to every sample, [batch, samples, points] (500 MB for four notes), and weights all points
of each. Here every sample reads two points from each of two tables.
"""

from __future__ import annotations

from typing import Any

from components.synths import resampling
from components.synths.ddsp_imports import tf
from components.synths.xla import compiled, float32_matmul


def read_tables(amplitudes: tf.Tensor, tables: tf.Tensor, f0_hz: tf.Tensor, hop: int, sample_rate: float) -> tf.Tensor:
    """Repeats one period of a waveform at a pitch: ddsp's core.wavetable_synthesis.

    Args:
        amplitudes: f32[batch, frames, 1].
        tables: One period each, f32[batch, frames, points]; interpolated between points and between frames.
        f0_hz: Periods per second, in Hz, f32[batch, frames, 1]. No gradient flows to it.
        hop: Samples per frame.
        sample_rate: In Hz.

    Returns:
        Audio, f32[batch, frames * hop].
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def synthesize(amplitudes: tf.Tensor, tables: tf.Tensor) -> Any:
        audio = _wavetable_audio(amplitudes, tables, f0_hz, hop, sample_rate)
        return audio, lambda upstream: _gradient(upstream, amplitudes, tables, f0_hz, hop, sample_rate)

    return synthesize(amplitudes, tables)


def _interpolation_points(
    f0_hz: tf.Tensor, points: int, hop: int, sample_rate: float
) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Finds what every sample reads from the concatenated tables: the point before its position and the point after it.

    Returns:
        For both, the index, int32[batch * frames, hop], and the weight, f32[batch * frames, hop].
    """
    phase, frequency = resampling.fundamental(f0_hz, hop, sample_rate)
    cycles = tf.transpose(phase - frequency)  # the first sample is read at phase 0
    position = tf.cast(points * (cycles - tf.floor(cycles)), tf.float32)
    left = tf.cast(position, tf.int32)
    weight = position - tf.floor(position)
    table = points * tf.range(position.shape[0])[:, None]
    return [(table + left % points, 1 - weight), (table + (left + 1) % points, weight)]


def _envelope(amplitudes: tf.Tensor, hop: int) -> tf.Tensor:
    """[batch, frames, 1] -> [batch * frames, hop]."""
    own, following = tf.split(tf.transpose(resampling.with_next(amplitudes)[0]), 2, axis=1)
    rise = resampling.hann_weights(hop)
    return own * rise[:, 0] + following * rise[:, 1]


def _waveform(tables: tf.Tensor, read_points: list[tuple[tf.Tensor, tf.Tensor]], hop: int) -> tf.Tensor:
    """Reads the tables, [batch, frames, points], at the points: [batch * frames, hop]."""
    following = tf.concat([tables[:, 1:], tables[:, -1:]], axis=1)
    read = [
        sum(weight * tf.gather(tf.reshape(of_frames, [-1]), index) for index, weight in read_points)
        for of_frames in (tables, following)
    ]
    rise = resampling.linear_weights(hop).astype("float32")
    return read[0] * rise[:, 0] + read[1] * rise[:, 1]


@compiled
def _wavetable_audio(
    amplitudes: tf.Tensor, tables: tf.Tensor, f0_hz: tf.Tensor, hop: int, sample_rate: float
) -> tf.Tensor:
    read_points = _interpolation_points(f0_hz, tables.shape[2], hop, sample_rate)
    return tf.reshape(_waveform(tables, read_points, hop) * _envelope(amplitudes, hop), [tables.shape[0], -1])


@compiled
def _gradient(
    upstream: tf.Tensor, amplitudes: tf.Tensor, tables: tf.Tensor, f0_hz: tf.Tensor, hop: int, sample_rate: float
) -> tuple[tf.Tensor, tf.Tensor]:
    batch, length, points = tables.shape
    read_points = _interpolation_points(f0_hz, points, hop, sample_rate)
    grad_frames = tf.reshape(upstream, [-1, hop])
    grad_envelope = tf.transpose(grad_frames * _waveform(tables, read_points, hop))
    grad_amplitude = float32_matmul(resampling.hann_weights(hop).T, grad_envelope)[None]
    grad_frames *= _envelope(amplitudes, hop)
    indices = tf.concat([index for index, _ in read_points], axis=0)
    grad_tables = [
        tf.math.unsorted_segment_sum(
            tf.concat([grad_frames * rise * weight for _, weight in read_points], axis=0),
            indices,
            batch * length * points,
        )
        for rise in resampling.linear_weights(hop).T.astype("float32")
    ]
    own, following = (tf.reshape(values, tables.shape) for values in grad_tables)
    return resampling.with_next_transposed(grad_amplitude, batch), resampling.add_to_frames(own, following)
