"""The GRU on a CPU: Keras' own, 1,000 steps of a dozen small kernels, as two loops that XLA compiles.

What does not depend on the step before is done for all steps at once, outside of the loops: the inputs' product, the
gates' derivatives, and the gradients of the weights (one matrix product each). A GPU has cuDNN for this, through Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from components.synths.compiled import compiled
from components.synths.ddsp_imports import tf

Tensors = tuple[tf.Tensor, ...]


def gru(inputs: tf.Tensor, kernel: tf.Tensor, recurrent_kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Runs a GRU as Keras has it by default (reset_after=True), from a state of zeros.

    With x = inputs kernel + bias[0] and m = h recurrent_kernel + bias[1], each in the order z, r, c:
    z = sigmoid(x_z + m_z), r = sigmoid(x_r + m_r), c = tanh(x_c + r m_c), h' = z h + (1 - z) c.
    (Cho et al. 2014; tf_keras.layers.GRU.)

    The inputs' product is done in their own precision, the recurrence always in float32: a CPU gains nothing there.

    Args:
        inputs: [steps, batch, channels]: time comes first, so that a step is one piece of memory.
        kernel: f32[channels, 3 * units].
        recurrent_kernel: f32[units, 3 * units].
        bias: f32[2, 3 * units].

    Returns:
        The states, f32[steps, batch, units].
    """
    steps, batch, channels = inputs.shape
    product = tf.matmul(tf.reshape(inputs, [-1, channels]), tf.cast(kernel, inputs.dtype))
    in_order = tf.cast(tf.reshape(product, [steps, batch, -1]), tf.float32)
    states: tf.Tensor = _recur(in_order, recurrent_kernel, bias)
    return states


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _recur(
    product: tf.Tensor, recurrent_kernel: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], Tensors]]:
    states, *inner = _forward(product, recurrent_kernel, bias)

    def gradient(upstream: tf.Tensor) -> Tensors:
        by_product, by_inner, by_bias = _backward(upstream, product, states, *inner, recurrent_kernel, bias)
        width = by_inner.shape[2]
        # The first step's state before is zero, so it adds nothing.
        before, after = tf.reshape(states[:-1], [-1, states.shape[2]]), tf.reshape(by_inner[1:], [-1, width])
        return by_product, tf.matmul(before, after, transpose_a=True), by_bias

    return states, gradient


def _gates(x: tf.Tensor, inner: Sequence[tf.Tensor]) -> Tensors:
    """z, r and c of `gru`, from x and the three parts of m."""
    of_z, of_r, of_c = tf.split(x, 3, axis=-1)
    r = tf.sigmoid(of_r + inner[1])
    return tf.sigmoid(of_z + inner[0]), r, tf.tanh(of_c + r * inner[2])


@compiled
def _forward(product: tf.Tensor, recurrent_kernel: tf.Tensor, bias: tf.Tensor) -> Tensors:
    """Returns the states and the three parts of m of `gru` at every step, [steps, batch, units] each."""
    steps, batch, width = product.shape
    # Three products of a third of the width: together they take two thirds of the time of one.
    kernels, biases = tf.split(recurrent_kernel, 3, axis=1), tf.split(bias[1], 3)

    def step(t: tf.Tensor, state: tf.Tensor, *saved: tf.Tensor) -> Tensors:
        inner = [tf.matmul(state, kernel) + offset for kernel, offset in zip(kernels, biases, strict=True)]
        z, _, c = _gates(product[t] + bias[0], inner)
        state = z * state + (1 - z) * c
        return t + 1, state, *(_put(values, t, value) for values, value in zip(saved, (state, *inner), strict=True))

    empty = tf.zeros([steps, batch, width // 3])
    loop = (tf.constant(0), empty[0], empty, empty, empty, empty)
    saved: Tensors = tf.while_loop(lambda t, *_: t < steps, step, loop, maximum_iterations=steps)[2:]
    return saved


@compiled
def _backward(
    upstream: tf.Tensor,
    product: tf.Tensor,
    states: tf.Tensor,
    inner_z: tf.Tensor,
    inner_r: tf.Tensor,
    inner_c: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    bias: tf.Tensor,
) -> Tensors:
    """Returns the gradients by `product`, by m of `gru` (both [steps, batch, 3 * units]) and by `bias`."""
    steps, batch, units = states.shape
    z, r, c = _gates(product + bias[0], (inner_z, inner_r, inner_c))
    before = tf.pad(states[:-1], [[1, 0], [0, 0], [0, 0]])
    # What a state's gradient is to be multiplied by, to be that of x_z, x_c and x_r.
    by_z = (before - c) * z * (1 - z)
    by_c = (1 - z) * (1 - c * c)
    by_r = by_c * inner_c * r * (1 - r)
    factors = tf.concat([by_z, by_r, by_c * r], axis=2)
    # Two halves side by side: XLA computes them at the same time.
    halves = tf.split(tf.transpose(recurrent_kernel), 2 if units % 2 == 0 else 1, axis=1)

    def step(i: tf.Tensor, carried: tf.Tensor, slopes: tf.Tensor) -> Tensors:
        t = steps - 1 - i
        slope = upstream[t] + carried
        by_inner = tf.tile(slope, [1, 3]) * factors[t]
        carried = slope * z[t] + tf.concat([tf.matmul(by_inner, half) for half in halves], axis=1)
        return i + 1, carried, _put(slopes, t, slope)

    loop = (tf.constant(0), tf.zeros([batch, units]), tf.zeros_like(states))
    _, _, slopes = tf.while_loop(lambda i, *_: i < steps, step, loop, maximum_iterations=steps)
    by_product = tf.concat([slopes * by_z, slopes * by_r, slopes * by_c], axis=2)
    by_inner = tf.tile(slopes, [1, 1, 3]) * factors
    by_bias = tf.stack([tf.reduce_sum(by_product, [0, 1]), tf.reduce_sum(by_inner, [0, 1])])
    return by_product, by_inner, by_bias


def _put(all_values: tf.Tensor, t: tf.Tensor, values: Any) -> tf.Tensor:
    return tf.tensor_scatter_nd_update(all_values, t[None, None], values[None])
