"""The GRU on a CPU: Keras' GRU as two loops that XLA compiles, one forward and one backward.

Keras runs a dozen small kernels for each of 1,000 frames. Here everything that does not depend on the frame before is
computed for all frames at once, outside of the loops: the product of inputs and kernel, the derivatives of the gates,
and the gradients of the weights (one matrix product each). On a GPU, Keras uses cuDNN instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from components.synths.ddsp_imports import tf
from components.synths.xla import compiled

Tensors = tuple[tf.Tensor, ...]


def gru(inputs: tf.Tensor, kernel: tf.Tensor, recurrent_kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Runs a GRU as Keras has it by default (reset_after=True), from a state of zeros.

    With x = inputs kernel + bias[0] and m = h recurrent_kernel + bias[1], each in the order z, r, c:
    z = sigmoid(x_z + m_z), r = sigmoid(x_r + m_r), c = tanh(x_c + r m_c), h' = z h + (1 - z) c.
    (Cho et al. 2014; tf_keras.layers.GRU.)

    The product of inputs and kernel has the precision of the inputs. The recurrence is always float32: a CPU gains
    nothing from a shorter type there.

    Args:
        inputs: [frames, batch, channels]: time comes first, so that a frame is contiguous in memory.
        kernel: f32[channels, 3 * units].
        recurrent_kernel: f32[units, 3 * units].
        bias: f32[2, 3 * units].

    Returns:
        The states, f32[frames, batch, units].
    """
    frames, batch, channels = inputs.shape
    product = tf.matmul(tf.reshape(inputs, [-1, channels]), tf.cast(kernel, inputs.dtype))
    in_order = tf.cast(tf.reshape(product, [frames, batch, -1]), tf.float32)
    states: tf.Tensor = _recur(in_order, recurrent_kernel, bias)
    return states


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _recur(
    product: tf.Tensor, recurrent_kernel: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], Tensors]]:
    states, *inner = _forward(product, recurrent_kernel, bias)

    def gradient(upstream: tf.Tensor) -> Tensors:
        grad_product, grad_inner, grad_bias = _backward(upstream, product, states, *inner, recurrent_kernel, bias)
        width = grad_inner.shape[2]
        # The state before the first frame is zero and adds nothing.
        before, after = tf.reshape(states[:-1], [-1, states.shape[2]]), tf.reshape(grad_inner[1:], [-1, width])
        return grad_product, tf.matmul(before, after, transpose_a=True), grad_bias

    return states, gradient


def _gates(x: tf.Tensor, inner: Sequence[tf.Tensor]) -> Tensors:
    """z, r and c of `gru`, from x and the three parts of m."""
    of_z, of_r, of_c = tf.split(x, 3, axis=-1)
    r = tf.sigmoid(of_r + inner[1])
    return tf.sigmoid(of_z + inner[0]), r, tf.tanh(of_c + r * inner[2])


@compiled
def _forward(product: tf.Tensor, recurrent_kernel: tf.Tensor, bias: tf.Tensor) -> Tensors:
    """Returns the states and the three parts of m of `gru` at every frame, [frames, batch, units] each."""
    frames, batch, width = product.shape
    # Three products, each a third as wide, take two thirds of the time of one product.
    kernels, biases = tf.split(recurrent_kernel, 3, axis=1), tf.split(bias[1], 3)

    def body(t: tf.Tensor, state: tf.Tensor, *saved: tf.Tensor) -> Tensors:
        inner = [tf.matmul(state, kernel) + offset for kernel, offset in zip(kernels, biases, strict=True)]
        z, _, c = _gates(product[t] + bias[0], inner)
        state = z * state + (1 - z) * c
        return t + 1, state, *(_put(values, t, value) for values, value in zip(saved, (state, *inner), strict=True))

    empty = tf.zeros([frames, batch, width // 3])
    loop = (tf.constant(0), empty[0], empty, empty, empty, empty)
    saved: Tensors = tf.while_loop(lambda t, *_: t < frames, body, loop, maximum_iterations=frames)[2:]
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
    """Returns the gradients of `product`, of m of `gru` (both [frames, batch, 3 * units]) and of `bias`."""
    frames, batch, units = states.shape
    z, r, c = _gates(product + bias[0], (inner_z, inner_r, inner_c))
    before = tf.pad(states[:-1], [[1, 0], [0, 0], [0, 0]])
    # The derivatives of a state with respect to x_z, x_c and x_r.
    dz = (before - c) * z * (1 - z)
    dc = (1 - z) * (1 - c * c)
    dr = dc * inner_c * r * (1 - r)
    factors = tf.concat([dz, dr, dc * r], axis=2)
    # Two halves: XLA computes them in parallel.
    halves = tf.split(tf.transpose(recurrent_kernel), 2 if units % 2 == 0 else 1, axis=1)

    def body(i: tf.Tensor, carried: tf.Tensor, grad_states: tf.Tensor) -> Tensors:
        t = frames - 1 - i
        grad_state = upstream[t] + carried
        grad_inner = tf.tile(grad_state, [1, 3]) * factors[t]
        carried = grad_state * z[t] + tf.concat([tf.matmul(grad_inner, half) for half in halves], axis=1)
        return i + 1, carried, _put(grad_states, t, grad_state)

    loop = (tf.constant(0), tf.zeros([batch, units]), tf.zeros_like(states))
    _, _, grad_states = tf.while_loop(lambda i, *_: i < frames, body, loop, maximum_iterations=frames)
    grad_product = tf.concat([grad_states * dz, grad_states * dr, grad_states * dc], axis=2)
    grad_inner = tf.tile(grad_states, [1, 1, 3]) * factors
    grad_bias = tf.stack([tf.reduce_sum(grad_product, [0, 1]), tf.reduce_sum(grad_inner, [0, 1])])
    return grad_product, grad_inner, grad_bias


def _put(all_values: tf.Tensor, t: tf.Tensor, values: Any) -> tf.Tensor:
    return tf.tensor_scatter_nd_update(all_values, t[None, None], values[None])
