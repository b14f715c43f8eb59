"""ddsp's RnnFcDecoder, the same network with the same variables, faster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from components.synths.ddsp_imports import decoders, gin, tf
from components.synths.gru import gru
from components.synths.xla import compiled, on_gpu

Tensors = tuple[tf.Tensor, ...]

_PRECISION: ContextVar[str] = ContextVar("precision", default="float32")
_NEGATIVE_SLOPE = 0.2  # slope below 0 of TensorFlow's leaky ReLU


@contextmanager
def compute_precision(precision: str) -> Iterator[None]:
    """Sets the precision in which decoders constructed inside the block compute.

    Args:
        precision: "float32", "bfloat16" or "float16". Variables, inputs and outputs are float32 in any case.
    """
    token = _PRECISION.set(precision)
    try:
        yield
    finally:
        _PRECISION.reset(token)


@contextmanager
def _policy(name: str) -> Iterator[None]:
    """Sets Keras' policy for the layers that are constructed inside the block."""
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)


@gin.register(module="luthier")
class RnnFcDecoder(decoders.RnnFcDecoder):  # type: ignore[misc]
    """ddsp's RnnFcDecoder: a stack of dense layers for every input, a GRU, and a stack after it.

    The layers are ddsp's and hold the variables, so checkpoints are interchangeable; the arithmetic is done here.
    Without a GRU, or with an external state, ddsp's own code computes the layer.
    """

    def __init__(
        self,
        rnn_channels: int = 512,
        rnn_type: str = "gru",
        ch: int = 512,
        layers_per_stack: int = 3,
        stateless: bool = False,
        input_keys: tuple[str, ...] = ("ld_scaled", "f0_scaled", "z"),
        output_splits: tuple[tuple[str, int], ...] = (("amps", 1), ("harmonic_distribution", 40)),
    ) -> None:
        """Takes ddsp's arguments; the layers compute in the precision of `compute_precision`.

        Args:
            rnn_channels: Units of the GRU.
            rnn_type: "gru" or "lstm".
            ch: Channels of the dense layers.
            layers_per_stack: Dense layers in a stack.
            stateless: Whether the GRU's state is an input and an output.
            input_keys: The names of the inputs; each input has a stack of its own.
            output_splits: The names of the outputs and their channels.
        """
        precision = _PRECISION.get()
        with _policy(precision if precision == "float32" else f"mixed_{precision}"):
            super().__init__(
                rnn_channels, rnn_type, ch, layers_per_stack, stateless, input_keys, output_splits, dtype="float32"
            )

    def call(self, *inputs: tf.Tensor, **unused: Any) -> dict[str, tf.Tensor]:
        """Computes the outputs.

        Args:
            *inputs: The tensors that `input_keys` name, [batch, frames, channels] each.
            **unused: Arguments that Keras passes to every layer.

        Returns:
            The tensors that `output_splits` name, [batch, frames, channels] each.
        """
        first_call = not self.dense_out.built  # ddsp's layers create their variables at the first call
        if first_call or self.stateless or not isinstance(self.rnn.rnn, tf.keras.layers.GRU):
            return {name: tf.cast(x, tf.float32) for name, x in super().call(*inputs, **unused).items()}
        batch, frames = inputs[0].shape[:2]
        dtype = self.dense_out.compute_dtype
        # Time first, as `gru` expects; here the tensors are still small.
        rows = [tf.cast(tf.reshape(tf.transpose(x, [1, 0, 2]), [frames * batch, -1]), dtype) for x in inputs]
        heads = [_stack(stack, x) for stack, x in zip(self.input_stacks, rows, strict=True)]
        cell = self.rnn.rnn.cell
        merged = tf.reshape(tf.concat(heads, axis=1), [frames, batch, -1])
        states = gru(merged, *map(tf.convert_to_tensor, (cell.kernel, cell.recurrent_kernel, cell.bias)))
        rows = [*heads, tf.cast(tf.reshape(states, [frames * batch, -1]), dtype)]
        outputs = tf.cast(self.dense_out(_stack(self.out_stack, tf.concat(rows, axis=1))), tf.float32)
        outputs = tf.transpose(tf.reshape(outputs, [frames, batch, -1]), [1, 0, 2])
        names, sizes = zip(*self.output_splits, strict=True)
        return dict(zip(names, tf.split(outputs, sizes, axis=2), strict=True))


def spread_thresholds(network: RnnFcDecoder) -> None:
    """Sets the first biases of a new network, so that its channels begin to follow an input at values from 0 to 1.

    A scaled pitch or loudness is one number of about 0 to 1. With biases of 0, as Keras has them, the channels of the
    first layer are multiples of that number, and the layer norm takes most of its size away: such a network tells
    pitches and levels apart only when its biases have grown, and its range of levels is too small for long.
    """
    for stack in network.input_stacks:
        first = stack.layers[0].layers[0]
        if first.kernel.shape[0] == 1:
            first.bias.assign(-first.kernel[0] * tf.random.uniform(first.bias.shape))


def _stack(stack: Any, rows: tf.Tensor) -> tf.Tensor:
    """Runs rows, [rows, channels], through ddsp's nn.FcStack: dense layer, layer norm, leaky ReLU, repeated."""
    for layer in stack.layers:
        dense, norm, _ = layer.layers
        product = tf.matmul(rows, tf.cast(dense.kernel, rows.dtype))
        bias, gamma, beta = map(tf.convert_to_tensor, (dense.bias, norm.gamma, norm.beta))
        normal = layer_norm_leaky_relu(tf.cast(product, tf.float32), bias, gamma, beta, norm.epsilon)
        rows = tf.cast(normal, rows.dtype)
    return rows


def layer_norm_leaky_relu(
    product: tf.Tensor, bias: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> tf.Tensor:
    """Adds a dense layer's bias, normalises the rows (Ba et al. 2016) and applies a leaky ReLU, in one pass.

    Args:
        product: The dense layer's inputs times its kernel, f32[rows, channels].
        bias: The dense layer's bias, f32[channels].
        gamma: The norm's scale, f32[channels].
        beta: The norm's offset, f32[channels].
        epsilon: Added to the variance of a row.

    Returns:
        f32[rows, channels].
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def apply(product: tf.Tensor, bias: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> Any:
        outputs = _layer_norm_leaky_relu(product, bias, gamma, beta, epsilon)
        return outputs, lambda upstream: _gradient(upstream, product, bias, gamma, beta, epsilon)

    return apply(product, bias, gamma, beta)


def _normalised(product: tf.Tensor, bias: tf.Tensor, epsilon: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the rows with mean 0 and variance 1, and the scale that they were multiplied by."""
    rows = product + bias
    centred = rows - _mean(rows)
    scale = tf.math.rsqrt(_mean(centred**2) + epsilon)
    return centred * scale, scale


def _mean(rows: tf.Tensor) -> tf.Tensor:
    """Means of rows, [rows, 1]. On a CPU a matrix product: XLA's own sum along a row is sequential and slow there.

    On a GPU XLA's sum joins the kernel around it, and a matrix product may have the 10 bits of TF32.
    """
    if on_gpu():
        return tf.reduce_mean(rows, axis=1, keepdims=True)
    return tf.matmul(rows, tf.fill([rows.shape[1], 1], 1 / rows.shape[1]))


@compiled
def _layer_norm_leaky_relu(
    product: tf.Tensor, bias: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> tf.Tensor:
    outputs = _normalised(product, bias, epsilon)[0] * gamma + beta
    return tf.maximum(outputs, _NEGATIVE_SLOPE * outputs)


@compiled
def _gradient(
    upstream: tf.Tensor,
    product: tf.Tensor,
    bias: tf.Tensor,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    epsilon: float,
) -> Tensors:
    normal, scale = _normalised(product, bias, epsilon)
    grad_affine = tf.where(normal * gamma + beta > 0, upstream, _NEGATIVE_SLOPE * upstream)
    grad_normal = grad_affine * gamma
    grad_product = scale * (grad_normal - _mean(grad_normal) - normal * _mean(grad_normal * normal))
    sums = [tf.reduce_sum(values, 0) for values in (grad_product, grad_affine * normal, grad_affine)]
    return grad_product, *sums
