"""Where XLA is used, and what differs on a GPU.

XLA pays where one small thing is done many times: a recurrence, or a sum over oscillators. There it turns some thousand
calls of TensorFlow's kernels into one loop. A whole training step under XLA is slower on a CPU than none at all, so the
layers compile their loops and leave the rest to TensorFlow.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from components.core import environment
from components.synths.ddsp_imports import tf

_WORTH_COMPILING = 8_192  # numbers
_compile = contextvars.ContextVar("compile", default=True)


@contextmanager
def uncompiled() -> Iterator[None]:
    """Leaves everything in the block to TensorFlow: for graphs that other software is to load, or that run seldom."""
    token = _compile.set(False)
    try:
        yield
    finally:
        _compile.reset(token)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes XLA compile a function of tensors with static shapes, once for each set of shapes (0.1 to 1 s).

    Outside of a tf.function, tensors of a few frames are not worth that: TensorFlow computes them as it stands. Where
    the environment variable LUTHIER_XLA is 0, the function is a graph of TensorFlow's that XLA does not compile.
    """
    by_xla = {wanted: tf.function(function, jit_compile=wanted or None, autograph=False) for wanted in (True, False)}

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        sizes = (tf.size(x) for x in arguments if tf.is_tensor(x)) if tf.executing_eagerly() else ()
        small = tf.executing_eagerly() and sum(map(int, sizes)) < _WORTH_COMPILING
        if small or not _compile.get():
            return function(*arguments)
        return by_xla[environment.get(environment.XLA) != "0"](*arguments)

    return call


def on_gpu() -> bool:
    """Says whether this process computes on a GPU: whether one is visible to TensorFlow."""
    return bool(tf.config.get_visible_devices("GPU"))


def exact_product(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Multiplies matrices in float32 even where products are done in TF32, whose 10 bits are too coarse for a phase.

    Args:
        left: [rows, few].
        right: [few, columns].

    Returns:
        [rows, columns].
    """
    if on_gpu():
        return tf.reduce_sum(left[:, :, None] * right[None], axis=1)
    return tf.matmul(left, right)
