"""Keras' GRU as two loops that XLA compiles, one forward and one backward.

Keras runs a dozen small kernels for each of 1,000 frames. Here everything that does not depend on the frame before is
computed for all frames at once, outside of the loops: the product of inputs and kernel, the derivatives of the gates,
and the gradients of the weights (one matrix product each).

On a GPU the number of kernels decides, not their size: a frame is one matrix product and one kernel for the gates, and
many frames share an iteration, its writes, and its start as one CUDA graph. XLA's listing for an H100 has 2.1 kernels a
frame forward and 2.1 backward, where the loop as a CPU has it makes 8 and 6 of it; that loop took 26 ms for 1,000
frames of 512 units at batch 16 on one H100, forward and backward, and cuDNN's GRU 39 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from components.synths.ddsp_imports import tf
from components.synths.xla import compiled, on_gpu

_GPU_FRAMES = 25  # frames in an iteration on a GPU, at most

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
    states, *recurrent = _forward(product, recurrent_kernel, bias)

    def gradient(upstream: tf.Tensor) -> Tensors:
        grad_product, grad_inner, grad_bias = _backward(
            upstream, product, states, tuple(recurrent), recurrent_kernel, bias
        )
        width = grad_inner.shape[2]
        # The state before the first frame is zero and adds nothing.
        before, after = tf.reshape(states[:-1], [-1, states.shape[2]]), tf.reshape(grad_inner[1:], [-1, width])
        return grad_product, tf.matmul(before, after, transpose_a=True), grad_bias

    return states, gradient


def _gates(product: tf.Tensor, recurrent: Sequence[tf.Tensor], bias: tf.Tensor) -> Tensors:
    """z, r, c and m_c of `gru`, from the products with the inputs and with the state; the latter may be in parts."""
    of_z, of_r, of_c = tf.split(product + bias[0], 3, axis=-1)
    parts = recurrent if len(recurrent) == 3 else tf.split(recurrent[0], 3, axis=-1)
    inner_z, inner_r, inner_c = (part + offset for part, offset in zip(parts, tf.split(bias[1], 3), strict=True))
    r = tf.sigmoid(of_r + inner_r)
    return tf.sigmoid(of_z + inner_z), r, tf.tanh(of_c + r * inner_c), inner_c


def _layout(frames: int, units: int) -> tuple[int, int, int]:
    """Returns how many frames an iteration has, and in how many products the two recurrences multiply."""
    if on_gpu():
        return next(count for count in range(min(frames, _GPU_FRAMES), 0, -1) if frames % count == 0), 1, 1
    # On a CPU three products, each a third as wide, take two thirds of the time of one product; XLA computes the two
    # halves of the backward product in parallel.
    return 1, 3, 2 if units % 2 == 0 else 1


@compiled
def _forward(product: tf.Tensor, recurrent_kernel: tf.Tensor, bias: tf.Tensor) -> Tensors:
    """Returns the states and, in the parts of `_layout`, their products with the kernel, [frames, batch, ...] each."""
    frames, batch, width = product.shape
    together, parts, _ = _layout(frames, width // 3)
    kernels, count = tf.split(recurrent_kernel, parts, axis=1), frames // together

    def body(i: tf.Tensor, state: tf.Tensor, *saved: tf.TensorArray) -> tuple[Any, ...]:
        values = list[list[tf.Tensor]]()
        for t in (i * together + offset for offset in range(together)):
            recurrent = [tf.matmul(state, kernel) for kernel in kernels]
            z, _, c, _ = _gates(product[t], recurrent, bias)
            state = z * state + (1 - z) * c
            values.append([state, *recurrent])
        of_frames = zip(saved, zip(*values, strict=True), strict=True)
        return i + 1, state, *(array.write(i, tf.stack(new)) for array, new in of_frames)

    saved = [_array(count, [together, batch, size]) for size in (width // 3, *[width // parts] * parts)]
    loop = (tf.constant(0), tf.zeros([batch, width // 3]), *saved)
    saved = tf.while_loop(lambda i, *_: i < count, body, loop, maximum_iterations=count)[2:]
    return tuple(tf.reshape(array.stack(), [frames, batch, -1]) for array in saved)


@compiled
def _backward(
    upstream: tf.Tensor,
    product: tf.Tensor,
    states: tf.Tensor,
    recurrent: Tensors,
    recurrent_kernel: tf.Tensor,
    bias: tf.Tensor,
) -> Tensors:
    """Returns the gradients of `product`, of m of `gru` (both [frames, batch, 3 * units]) and of `bias`."""
    frames, batch, units = states.shape
    z, r, c, inner_c = _gates(product, recurrent, bias)
    before = tf.pad(states[:-1], [[1, 0], [0, 0], [0, 0]])
    # The derivatives of a state with respect to x_z, x_c and x_r.
    dz = (before - c) * z * (1 - z)
    dc = (1 - z) * (1 - c * c)
    dr = dc * inner_c * r * (1 - r)
    factors = tf.concat([dz, dr, dc * r], axis=2)
    together, _, parts = _layout(frames, units)
    kernels, count = tf.split(tf.transpose(recurrent_kernel), parts, axis=1), frames // together

    def body(i: tf.Tensor, carried: tf.Tensor, grad_states: tf.TensorArray) -> tuple[Any, ...]:
        first, values = (count - 1 - i) * together, list[tf.Tensor]()
        for t in (first + offset for offset in reversed(range(together))):
            grad_state = upstream[t] + carried
            grad_inner = tf.tile(grad_state, [1, 3]) * factors[t]
            carried = grad_state * z[t] + tf.concat([tf.matmul(grad_inner, kernel) for kernel in kernels], axis=1)
            values.insert(0, grad_state)
        return i + 1, carried, grad_states.write(count - 1 - i, tf.stack(values))

    loop = (tf.constant(0), tf.zeros([batch, units]), _array(count, [together, batch, units]))
    grad_states = tf.while_loop(lambda i, *_: i < count, body, loop, maximum_iterations=count)[2].stack()
    grad_states = tf.reshape(grad_states, [frames, batch, units])
    grad_product = tf.concat([grad_states * dz, grad_states * dr, grad_states * dc], axis=2)
    grad_inner = tf.tile(grad_states, [1, 1, 3]) * factors
    grad_bias = tf.stack([tf.reduce_sum(grad_product, [0, 1]), tf.reduce_sum(grad_inner, [0, 1])])
    return grad_product, grad_inner, grad_bias


def _array(count: int, shape: list[int]) -> tf.TensorArray:
    """An array that a loop fills, [count, *shape]: XLA writes in place, without the check of bounds of a scatter."""
    return tf.TensorArray(tf.float32, count, element_shape=shape)
