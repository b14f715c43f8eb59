"""White noise, filtered by one filter per frame. The Fourier transforms are short, so matrix products are faster."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from components.synths.ddsp_imports import ddsp, tf
from components.synths.xla import compiled

_Array = np.ndarray[Any, Any]


def as_seed(number: int) -> int:
    """Returns a whole number of any size as one that TensorFlow takes, int32; one of these as it is."""
    return (number + 2**31) % 2**32 - 2**31


def white(rows: int, samples: int, seed: tf.Tensor) -> tf.Tensor:
    """Draws white noise.

    Args:
        rows: Rows of the batch, or of this replica's part of it.
        samples: Length of a row.
        seed: Two integers, int32[2]. A third one is the index of this replica's part of the batch: the result is then
            the part's rows of the noise for the whole batch.

    Returns:
        f32[rows, samples] in -1..1.
    """
    if seed.shape[0] == 2:
        return tf.random.stateless_uniform([rows, samples], seed, minval=-1.0, maxval=1.0)
    parts = tf.distribute.get_strategy().num_replicas_in_sync
    whole = tf.random.stateless_uniform([parts * rows, samples], seed[:2], minval=-1.0, maxval=1.0)
    return tf.ensure_shape(whole[seed[2] * rows : (seed[2] + 1) * rows], [rows, samples])


@compiled
def filtered(white: tf.Tensor, magnitudes: tf.Tensor, window_size: int) -> tf.Tensor:
    """Filters a signal: ddsp's core.frequency_filter, for samples that are a multiple of the frames.

    Args:
        white: The signal, f32[batch, samples]. No gradient flows to it.
        magnitudes: The filters' frequency responses, f32[batch, frames, bands], linear in frequency from 0 to Nyquist.
        window_size: Length of the impulse responses. Below 1 or above 2 * (bands - 1), it is 2 * (bands - 1).

    Returns:
        Audio, f32[batch, samples].
    """
    batch, length, bands = magnitudes.shape
    hop = white.shape[1] // length
    to_response, to_spectrum, to_samples, delay = _matrices(bands, hop, window_size)
    response = tf.matmul(tf.reshape(magnitudes, [-1, bands]), to_response)
    noise = tf.matmul(tf.reshape(white, [-1, hop]), to_spectrum)
    real, imaginary = tf.split(response, 2, axis=1)
    noise_real, noise_imaginary = tf.split(tf.stop_gradient(noise), 2, axis=1)
    product = [real * noise_real - imaginary * noise_imaginary, real * noise_imaginary + imaginary * noise_real]
    pieces = tf.reshape(tf.matmul(tf.concat(product, axis=1), to_samples), [batch, length, -1, hop])
    parts = pieces.shape[2]
    overlapped = tf.add_n([tf.pad(pieces[:, :, i], [[0, 0], [i, parts - 1 - i], [0, 0]]) for i in range(parts)])
    return tf.reshape(overlapped, [batch, -1])[:, delay : delay + white.shape[1]]


@functools.lru_cache(maxsize=8)
def _matrices(bands: int, hop: int, window_size: int) -> tuple[_Array, _Array, _Array, int]:
    """Computes the constants of `filtered`. A spectrum is the real parts of the bins, then their imaginary parts.

    Returns:
        The matrix from magnitudes to the spectrum of their impulse response; from a frame of samples to its spectrum;
        from a spectrum to samples, a whole number of hops; and ddsp's compensation of the filters' delay, in samples.
    """
    with tf.init_scope():
        impulses = ddsp.core.frequency_impulse_response(tf.eye(bands)[None], window_size).numpy()[0]
    taps = impulses.shape[1]
    size = hop * -(-(hop + taps - 1) // hop)
    size += size % 2 * hop
    bins = np.eye(size // 2 + 1)
    to_samples = np.concatenate([np.fft.irfft(bins, size), np.fft.irfft(1j * bins, size)])
    matrices = (_spectrum(impulses, size), _spectrum(np.eye(hop), size), to_samples)
    response, spectrum, samples = (matrix.astype(np.float32) for matrix in matrices)
    return response, spectrum, samples, (taps - 1) // 2 - 1


def _spectrum(rows: _Array, size: int) -> _Array:
    spectrum = np.fft.rfft(rows.astype(np.float64), size)
    return np.concatenate([spectrum.real, spectrum.imag], axis=1)
