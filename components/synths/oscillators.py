"""Sums of sinusoids whose amplitudes and frequencies are given per frame: what Harmonic and Sinusoidal play.

ddsp makes amplitudes, frequencies and phases of every oscillator at every sample, [batch, samples, oscillators]. Here
the sum runs over the oscillators one by one, on arrays of one oscillator's samples that stay in the processor's cache.
Nothing is kept for the gradient, which goes the same way again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from components.synths import frames
from components.synths.compiled import compiled, exact_product
from components.synths.ddsp_imports import tf

# sin(2 pi x) as a Taylor series up to x^13: exact to float32 for |x| <= 1/4.
_SINE = [(-1) ** i * (2 * math.pi) ** (2 * i + 1) / math.factorial(2 * i + 1) for i in range(7)]


def _sine(cycles: tf.Tensor) -> tf.Tensor:
    """sin(2 pi x) for phases in cycles, of any size. XLA's own sine calls a function an element: 20 times slower."""
    wrapped = cycles - tf.round(cycles)
    folded = 0.25 - tf.abs(tf.abs(wrapped) - 0.25)
    folded = tf.where(wrapped < 0, -folded, folded)
    square = folded * folded
    series = tf.constant(_SINE[-1], cycles.dtype)
    for coefficient in _SINE[-2::-1]:
        series = series * square + coefficient
    return series * folded


def _each(count: int, do: Callable[[tf.Tensor, Any], Any], state: Any) -> Any:
    """Returns do(count - 1, ... do(1, do(0, state))) as one loop."""
    end = tf.while_loop(
        lambda k, _: k < count, lambda k, s: (k + 1, do(k, s)), (tf.constant(0), state), maximum_iterations=count
    )
    return end[1]


def _put(all_values: tf.Tensor, k: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    return tf.tensor_scatter_nd_update(all_values, k[None, None], values[None])


def _harmonic_wave(f0_hz: tf.Tensor, hop: int, sample_rate: float) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function from k to the sine of harmonic k + 1, 0 at Nyquist and above, f32[hop, batch * frames]."""
    phase, frequency = frames.fundamental(f0_hz, hop, sample_rate)
    phase, frequency = (tf.cast(values, tf.float32) for values in (phase - tf.round(phase), frequency))

    def wave(k: tf.Tensor) -> tf.Tensor:
        number = tf.cast(k + 1, tf.float32)
        return tf.where(number * frequency < 0.5, _sine(number * phase), 0.0)

    return wave


@compiled
def _play_harmonics(amplitudes: tf.Tensor, f0_hz: tf.Tensor, hop: int, sample_rate: float) -> tf.Tensor:
    batch, count = amplitudes.shape[0], amplitudes.shape[2]
    wave, ends, shares = _harmonic_wave(f0_hz, hop, sample_rate), frames.with_next(amplitudes), frames.hann(hop)

    def add(k: tf.Tensor, audio: tf.Tensor) -> tf.Tensor:
        return audio + exact_product(shares, ends[k]) * wave(k)

    return frames.samples(_each(count, add, tf.zeros([hop, ends.shape[2]])), batch)


@compiled
def _harmonics_gradient(upstream: tf.Tensor, f0_hz: tf.Tensor, count: int, hop: int, sample_rate: float) -> tf.Tensor:
    wave, shares, heard = _harmonic_wave(f0_hz, hop, sample_rate), frames.hann(hop).T, frames.framed(upstream, hop)

    def put(k: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
        return _put(slopes, k, exact_product(shares, heard * wave(k)))

    slopes = _each(count, put, tf.zeros([count, 2, heard.shape[1]]))
    return frames.with_next_transposed(slopes, f0_hz.shape[0])


def harmonics(amplitudes: tf.Tensor, f0_hz: tf.Tensor, hop: int, sample_rate: float) -> tf.Tensor:
    """Plays sine waves at the multiples of one frequency: ddsp's core.harmonic_synthesis with 'window' resampling.

    Args:
        amplitudes: Of the harmonics, f32[batch, frames, harmonics].
        f0_hz: Fundamental frequency in Hz, f32[batch, frames, 1]. It is an input: no gradient goes to it.
        hop: Samples a frame.
        sample_rate: In Hz. A harmonic is silent wherever its frequency is half of this or above.

    Returns:
        Audio, f32[batch, frames * hop].
    """
    count = amplitudes.shape[2]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def play(amplitudes: tf.Tensor) -> Any:
        audio = _play_harmonics(amplitudes, f0_hz, hop, sample_rate)
        return audio, lambda upstream: _harmonics_gradient(upstream, f0_hz, count, hop, sample_rate)

    return play(amplitudes)


def _oscillators(
    amplitudes: tf.Tensor, frequencies_hz: tf.Tensor, hop: int, sample_rate: float
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """Returns a function from an oscillator's number to arrays [hop, batch * frames].

    They are its phase in cycles, its amplitude, and where it is audible, that is, below Nyquist.
    """
    cycles = tf.cast(frequencies_hz, tf.float64) / sample_rate
    starts = tf.cast(frames.starts(cycles, hop), tf.float32)
    frequency, ends = tf.cast(frames.with_next(cycles), tf.float32), frames.with_next(amplitudes)
    advance, straight = (tf.constant(shares, tf.float32) for shares in (frames.advance(hop), frames.straight(hop)))

    def oscillator(k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        audible = exact_product(straight, frequency[k]) < 0.5
        envelope = tf.where(audible, exact_product(frames.hann(hop), ends[k]), 0.0)
        return starts[k] + exact_product(advance, frequency[k]), envelope, audible

    return oscillator


@compiled
def _play_sinusoids(amplitudes: tf.Tensor, frequencies_hz: tf.Tensor, hop: int, sample_rate: float) -> tf.Tensor:
    oscillator = _oscillators(amplitudes, frequencies_hz, hop, sample_rate)
    batch, count = amplitudes.shape[0], amplitudes.shape[2]

    def add(k: tf.Tensor, audio: tf.Tensor) -> tf.Tensor:
        phase, envelope, _ = oscillator(k)
        return audio + envelope * _sine(phase)

    return frames.samples(_each(count, add, tf.zeros([hop, batch * amplitudes.shape[1]])), batch)


@compiled
def _sinusoids_gradient(
    upstream: tf.Tensor, amplitudes: tf.Tensor, frequencies_hz: tf.Tensor, hop: int, sample_rate: float
) -> tuple[tf.Tensor, tf.Tensor]:
    oscillator = _oscillators(amplitudes, frequencies_hz, hop, sample_rate)
    batch, length, count = amplitudes.shape
    heard, hann = frames.framed(upstream, hop), frames.hann(hop).T
    # Rows: the phase at the frame's start, its frequency, the next one's.
    moves = tf.constant(np.vstack([np.ones(hop), frames.advance(hop).T]), tf.float32)

    def put(k: tf.Tensor, slopes: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        phase, envelope, audible = oscillator(k)
        by_amplitude = exact_product(hann, tf.where(audible, heard * _sine(phase), 0.0))
        by_phase = exact_product(moves, heard * envelope * (2 * math.pi * _sine(phase + 0.25)))
        return _put(slopes[0], k, by_amplitude), _put(slopes[1], k, by_phase)

    empty = tf.zeros([count, 2, batch * length]), tf.zeros([count, 3, batch * length])
    by_amplitude, by_phase = _each(count, put, empty)
    # A frame's frequency moves the starts of all frames after it.
    by_start = tf.cast(tf.reshape(by_phase[:, :1], [count, 1, batch, length]), tf.float64)
    later = tf.cast(tf.cumsum(by_start, axis=3, exclusive=True, reverse=True), tf.float32)
    shares = tf.constant([[(hop + 1) / 2], [(hop - 1) / 2]])
    by_cycles = by_phase[:, 1:] + shares * tf.reshape(later, [count, 1, -1])
    by_frequency = frames.with_next_transposed(by_cycles, batch) / sample_rate
    return frames.with_next_transposed(by_amplitude, batch), by_frequency


def sinusoids(amplitudes: tf.Tensor, frequencies_hz: tf.Tensor, hop: int, sample_rate: float) -> tf.Tensor:
    """Plays sine waves at any frequencies: ddsp's core.oscillator_bank, with amplitudes resampled by 'window'.

    Args:
        amplitudes: f32[batch, frames, sinusoids].
        frequencies_hz: In Hz, the same shape.
        hop: Samples a frame.
        sample_rate: In Hz. A sinusoid is silent wherever its frequency is half of this or above.

    Returns:
        Audio, f32[batch, frames * hop].
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def play(amplitudes: tf.Tensor, frequencies_hz: tf.Tensor) -> Any:
        audio = _play_sinusoids(amplitudes, frequencies_hz, hop, sample_rate)
        return audio, lambda upstream: _sinusoids_gradient(upstream, amplitudes, frequencies_hz, hop, sample_rate)

    return play(amplitudes, frequencies_hz)
