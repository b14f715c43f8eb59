"""Oscillator banks: sums of sinusoids with amplitudes and frequencies per frame, for all synthesizers.

ddsp computes amplitudes, frequencies and phases of every oscillator at every sample, [batch, samples, oscillators].
Here a loop adds one oscillator after the other, on arrays of one oscillator's samples that stay in the processor's
cache. Nothing is kept for the gradient: it computes the oscillators again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from components.synths import resampling
from components.synths.ddsp_imports import tf
from components.synths.xla import compiled, float32_matmul, on_gpu

Tensors = tuple[tf.Tensor, ...]

_GPU_OSCILLATORS = 10  # oscillators in an iteration on a GPU, at most
# sin(2 pi x) as a Taylor series up to x^13: exact to float32 for |x| <= 1/4.
_SINE = [(-1) ** i * (2 * math.pi) ** (2 * i + 1) / math.factorial(2 * i + 1) for i in range(7)]


def _sine(cycles: tf.Tensor) -> tf.Tensor:
    """sin(2 pi x) for phases in cycles, of any size. XLA's sine, a function call per element, is 20 times slower."""
    wrapped = cycles - tf.round(cycles)
    folded = 0.25 - tf.abs(tf.abs(wrapped) - 0.25)
    folded = tf.where(wrapped < 0, -folded, folded)
    square = folded * folded
    series = tf.constant(_SINE[-1], cycles.dtype)
    for coefficient in _SINE[-2::-1]:
        series = series * square + coefficient
    return series * folded


def _sum(count: int, term: Callable[[tf.Tensor], tf.Tensor], shape: tuple[int, ...]) -> tf.Tensor:
    """Returns term(0) + ... + term(count - 1), f32[*shape], by a loop."""
    together = _together(count)

    def body(i: tf.Tensor, total: tf.Tensor) -> Tensors:
        for k in (i * together + offset for offset in range(together)):
            total += term(k)
        return i + 1, total

    return _loop(count // together, body, tf.zeros(shape))


def _each(count: int, values: Callable[[tf.Tensor], Tensors], shapes: Sequence[tuple[int, ...]]) -> Tensors:
    """Returns values(0), ..., values(count - 1) stacked, f32[count, *shape] for each shape, by a loop."""
    together = _together(count)
    iterations = count // together

    def body(i: tf.Tensor, arrays: tuple[tf.TensorArray, ...]) -> tuple[Any, ...]:
        results = [values(i * together + offset) for offset in range(together)]
        stacked = zip(arrays, zip(*results, strict=True), strict=True)
        return i + 1, tuple(array.write(i, tf.stack(of_array)) for array, of_array in stacked)

    empty = tuple(tf.TensorArray(tf.float32, iterations, element_shape=[together, *shape]) for shape in shapes)
    filled = _loop(iterations, body, empty)
    return tuple(tf.reshape(array.stack(), [count, *shape]) for array, shape in zip(filled, shapes, strict=True))


def _loop(count: int, body: Callable[[tf.Tensor, Any], tuple[Any, ...]], state: Any) -> Any:
    return tf.while_loop(lambda i, _: i < count, body, (tf.constant(0), state), maximum_iterations=count)[1]


def _together(count: int) -> int:
    """Returns how many oscillators an iteration has: on a GPU XLA makes one kernel of them; a CPU's cache holds one."""
    largest = min(count, _GPU_OSCILLATORS) if on_gpu() else 1
    return next(divisor for divisor in range(largest, 0, -1) if count % divisor == 0)


def _harmonic_waves(
    f0_hz: tf.Tensor, offsets: tuple[float, ...], hop: int, sample_rate: float
) -> Callable[[tf.Tensor], Tensors]:
    """Returns a function from k to the waves of harmonic k + 1, f32[hop, batch * frames]: a sine for each offset.

    Offsets are in cycles. At Nyquist and above, the waves are 0.
    """
    phase, frequency = resampling.fundamental(f0_hz, hop, sample_rate)
    phase, frequency = (tf.cast(values, tf.float32) for values in (phase - tf.round(phase), frequency))

    def waves(k: tf.Tensor) -> Tensors:
        number = tf.cast(k + 1, tf.float32)
        audible = number * frequency < 0.5
        return tuple(tf.where(audible, _sine(number * phase + offset), 0.0) for offset in offsets)

    return waves


@compiled
def _harmonic_audio(
    amplitudes: tf.Tensor, f0_hz: tf.Tensor, offsets: tuple[float, ...], hop: int, sample_rate: float
) -> tf.Tensor:
    batch, count = amplitudes.shape[0], amplitudes.shape[2] // len(offsets)
    waves, weights = _harmonic_waves(f0_hz, offsets, hop, sample_rate), resampling.hann_weights(hop)
    pairs = tf.split(resampling.with_next(amplitudes), len(offsets))

    def of_harmonic(k: tf.Tensor) -> tf.Tensor:
        parts = zip(pairs, waves(k), strict=True)
        return tf.add_n([float32_matmul(weights, of_offset[k]) * wave for of_offset, wave in parts])

    return resampling.to_audio(_sum(count, of_harmonic, (hop, pairs[0].shape[2])), batch)


@compiled
def _harmonics_gradient(
    upstream: tf.Tensor, f0_hz: tf.Tensor, count: int, offsets: tuple[float, ...], hop: int, sample_rate: float
) -> tf.Tensor:
    waves, weights = _harmonic_waves(f0_hz, offsets, hop, sample_rate), resampling.hann_weights(hop).T
    grad_frames = resampling.from_audio(upstream, hop)

    def of_harmonic(k: tf.Tensor) -> Tensors:
        return tuple(float32_matmul(weights, grad_frames * wave) for wave in waves(k))

    gradients = tf.concat(_each(count, of_harmonic, [(2, grad_frames.shape[1])] * len(offsets)), axis=0)
    return resampling.with_next_transposed(gradients, f0_hz.shape[0])


def harmonics(
    amplitudes: tf.Tensor, f0_hz: tf.Tensor, hop: int, sample_rate: float, cosines: bool = False
) -> tf.Tensor:
    """Adds sine waves at the multiples of one frequency: ddsp's core.harmonic_synthesis with 'window' resampling.

    Args:
        amplitudes: Of the harmonics, f32[batch, frames, harmonics].
        f0_hz: Fundamental frequency in Hz, f32[batch, frames, 1]. No gradient flows to it.
        hop: Samples per frame.
        sample_rate: In Hz. A harmonic is silent wherever its frequency is half of this or above.
        cosines: Whether cosines are added as well. Then the amplitudes are those of the sines of all harmonics and
            after them those of the cosines, f32[batch, frames, 2 * harmonics], and any periodic waveform can be played.

    Returns:
        Audio, f32[batch, frames * hop].
    """
    offsets = (0.0, 0.25) if cosines else (0.0,)
    count = amplitudes.shape[2] // len(offsets)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def synthesize(amplitudes: tf.Tensor) -> Any:
        audio = _harmonic_audio(amplitudes, f0_hz, offsets, hop, sample_rate)
        return audio, lambda upstream: _harmonics_gradient(upstream, f0_hz, count, offsets, hop, sample_rate)

    return synthesize(amplitudes)


def _oscillators(
    amplitudes: tf.Tensor, frequencies_hz: tf.Tensor, hop: int, sample_rate: float
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """Returns a function from an oscillator's number to arrays [hop, batch * frames].

    The arrays are its phase in cycles, its amplitude, and whether it is below Nyquist.
    """
    cycles = tf.cast(frequencies_hz, tf.float64) / sample_rate
    starts = tf.cast(resampling.start_phases(cycles, hop), tf.float32)
    frequency, pairs = tf.cast(resampling.with_next(cycles), tf.float32), resampling.with_next(amplitudes)
    of_phase, of_frequency = resampling.phase_weights(hop), resampling.linear_weights(hop)
    of_phase, of_frequency = (tf.constant(weights, tf.float32) for weights in (of_phase, of_frequency))

    def oscillator(k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        below_nyquist = float32_matmul(of_frequency, frequency[k]) < 0.5
        envelope = tf.where(below_nyquist, float32_matmul(resampling.hann_weights(hop), pairs[k]), 0.0)
        return starts[k] + float32_matmul(of_phase, frequency[k]), envelope, below_nyquist

    return oscillator


@compiled
def _sinusoid_audio(amplitudes: tf.Tensor, frequencies_hz: tf.Tensor, hop: int, sample_rate: float) -> tf.Tensor:
    oscillator = _oscillators(amplitudes, frequencies_hz, hop, sample_rate)
    batch, count = amplitudes.shape[0], amplitudes.shape[2]

    def of_sinusoid(k: tf.Tensor) -> tf.Tensor:
        phase, envelope, _ = oscillator(k)
        return envelope * _sine(phase)

    return resampling.to_audio(_sum(count, of_sinusoid, (hop, batch * amplitudes.shape[1])), batch)


@compiled
def _sinusoids_gradient(
    upstream: tf.Tensor, amplitudes: tf.Tensor, frequencies_hz: tf.Tensor, hop: int, sample_rate: float
) -> tuple[tf.Tensor, tf.Tensor]:
    oscillator = _oscillators(amplitudes, frequencies_hz, hop, sample_rate)
    batch, length, count = amplitudes.shape
    grad_frames, hann = resampling.from_audio(upstream, hop), resampling.hann_weights(hop).T
    # Rows: the phase at the frame's start, the frame's frequency, the next frame's frequency.
    of_phase = tf.constant(np.vstack([np.ones(hop), resampling.phase_weights(hop).T]), tf.float32)

    def of_sinusoid(k: tf.Tensor) -> Tensors:
        phase, envelope, below_nyquist = oscillator(k)
        grad_amplitude = float32_matmul(hann, tf.where(below_nyquist, grad_frames * _sine(phase), 0.0))
        grad_phase = float32_matmul(of_phase, grad_frames * envelope * (2 * math.pi * _sine(phase + 0.25)))
        return grad_amplitude, grad_phase

    grad_amplitude, grad_phase = _each(count, of_sinusoid, [(2, batch * length), (3, batch * length)])
    # A frame's frequency changes the start phases of all frames after it.
    grad_start = tf.cast(tf.reshape(grad_phase[:, :1], [count, 1, batch, length]), tf.float64)
    following = tf.cast(tf.cumsum(grad_start, axis=3, exclusive=True, reverse=True), tf.float32)
    weights = tf.constant([[(hop + 1) / 2], [(hop - 1) / 2]])
    grad_cycles = grad_phase[:, 1:] + weights * tf.reshape(following, [count, 1, -1])
    grad_frequency = resampling.with_next_transposed(grad_cycles, batch) / sample_rate
    return resampling.with_next_transposed(grad_amplitude, batch), grad_frequency


def sinusoids(amplitudes: tf.Tensor, frequencies_hz: tf.Tensor, hop: int, sample_rate: float) -> tf.Tensor:
    """Adds sine waves at any frequencies: ddsp's core.oscillator_bank, with amplitudes resampled by 'window'.

    Args:
        amplitudes: f32[batch, frames, sinusoids].
        frequencies_hz: In Hz, the same shape.
        hop: Samples per frame.
        sample_rate: In Hz. A sinusoid is silent wherever its frequency is half of this or above.

    Returns:
        Audio, f32[batch, frames * hop].
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def synthesize(amplitudes: tf.Tensor, frequencies_hz: tf.Tensor) -> Any:
        audio = _sinusoid_audio(amplitudes, frequencies_hz, hop, sample_rate)
        return audio, lambda upstream: _sinusoids_gradient(upstream, amplitudes, frequencies_hz, hop, sample_rate)

    return synthesize(amplitudes, frequencies_hz)
