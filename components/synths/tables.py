"""Reading wavetables that change from frame to frame.

ddsp interpolates the tables to every sample, [batch, samples, points] (500 MB for four notes), and weighs all points of
each; here two points are read from each of two frames.
"""

from __future__ import annotations

from typing import Any

from components.synths import frames
from components.synths.compiled import compiled, exact_product
from components.synths.ddsp_imports import tf


def read_tables(amplitudes: tf.Tensor, tables: tf.Tensor, f0_hz: tf.Tensor, hop: int, sample_rate: float) -> tf.Tensor:
    """Reads one period of a waveform over and over: ddsp's core.wavetable_synthesis.

    Args:
        amplitudes: f32[batch, frames, 1].
        tables: One period each, f32[batch, frames, points], interpolated in between in both directions.
        f0_hz: Periods a second, in Hz, f32[batch, frames, 1]. It is an input: no gradient goes to it.
        hop: Samples a frame.
        sample_rate: In Hz.

    Returns:
        Audio, f32[batch, frames * hop].
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def play(amplitudes: tf.Tensor, tables: tf.Tensor) -> Any:
        audio = _play(amplitudes, tables, f0_hz, hop, sample_rate)
        return audio, lambda upstream: _gradient(upstream, amplitudes, tables, f0_hz, hop, sample_rate)

    return play(amplitudes, tables)


def _corners(f0_hz: tf.Tensor, points: int, hop: int, sample_rate: float) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Where to read, in tables that lie one after the other: the point to the left and the one to the right.

    Returns:
        For both, its place, int32[batch * frames, hop], and its share, f32[batch * frames, hop].
    """
    phase, frequency = frames.fundamental(f0_hz, hop, sample_rate)
    cycles = tf.transpose(phase - frequency)  # the first sample is read at phase 0
    place = tf.cast(points * (cycles - tf.floor(cycles)), tf.float32)
    left = tf.cast(place, tf.int32)
    share = place - tf.floor(place)
    table = points * tf.range(place.shape[0])[:, None]
    return [(table + left % points, 1 - share), (table + (left + 1) % points, share)]


def _envelope(amplitudes: tf.Tensor, hop: int) -> tf.Tensor:
    """[batch, frames, 1] -> [batch * frames, hop]."""
    own, later = tf.split(tf.transpose(frames.with_next(amplitudes)[0]), 2, axis=1)
    rise = frames.hann(hop)
    return own * rise[:, 0] + later * rise[:, 1]


def _waveform(tables: tf.Tensor, corners: list[tuple[tf.Tensor, tf.Tensor]], hop: int) -> tf.Tensor:
    """Reads the tables, [batch, frames, points], at the corners: [batch * frames, hop]."""
    later = tf.concat([tables[:, 1:], tables[:, -1:]], axis=1)
    read = [
        sum(share * tf.gather(tf.reshape(of_frames, [-1]), place) for place, share in corners)
        for of_frames in (tables, later)
    ]
    rise = frames.straight(hop).astype("float32")
    return read[0] * rise[:, 0] + read[1] * rise[:, 1]


@compiled
def _play(amplitudes: tf.Tensor, tables: tf.Tensor, f0_hz: tf.Tensor, hop: int, sample_rate: float) -> tf.Tensor:
    corners = _corners(f0_hz, tables.shape[2], hop, sample_rate)
    return tf.reshape(_waveform(tables, corners, hop) * _envelope(amplitudes, hop), [tables.shape[0], -1])


@compiled
def _gradient(
    upstream: tf.Tensor, amplitudes: tf.Tensor, tables: tf.Tensor, f0_hz: tf.Tensor, hop: int, sample_rate: float
) -> tuple[tf.Tensor, tf.Tensor]:
    batch, length, points = tables.shape
    corners = _corners(f0_hz, points, hop, sample_rate)
    heard = tf.reshape(upstream, [-1, hop])
    by_envelope = tf.transpose(heard * _waveform(tables, corners, hop))
    by_amplitude = exact_product(frames.hann(hop).T, by_envelope)[None]
    heard *= _envelope(amplitudes, hop)
    places = tf.concat([place for place, _ in corners], axis=0)
    by_tables = [
        tf.math.unsorted_segment_sum(
            tf.concat([heard * rise * share for _, share in corners], axis=0), places, batch * length * points
        )
        for rise in frames.straight(hop).T.astype("float32")
    ]
    own, later = (tf.reshape(values, tables.shape) for values in by_tables)
    return frames.with_next_transposed(by_amplitude, batch), frames.brought_back(own, later)
