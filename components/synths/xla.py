"""Compilation by XLA, and what differs on a GPU.

XLA pays off where a small operation is repeated many times: a recurrence, or a sum over oscillators. It turns thousands
of TensorFlow kernel launches into one loop. On a CPU a whole training step under XLA is slower than one without: the
layers compile their loops only and leave the rest to TensorFlow. A GPU pays for every kernel that it starts: a whole
training step is one computation there, most of whose kernels start as CUDA graphs.

LUTHIER_XLA=0 turns compilation off: the loops are then graphs that TensorFlow runs. 1 compiles loops, 2 whole steps.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from components.core import environment
from components.synths.ddsp_imports import tf

_WORTH_COMPILING = 8_192  # numbers in all inputs together
_compile = contextvars.ContextVar("compile", default=True)


@contextmanager
def without_xla() -> Iterator[None]:
    """Leaves all computation in the block to TensorFlow: for graphs that other software loads, or that run once."""
    token = _compile.set(False)
    try:
        yield
    finally:
        _compile.reset(token)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function of tensors with static shapes by XLA, once for each set of shapes (0.1 to 1 s).

    Outside of a tf.function, small tensors are not worth a compilation: TensorFlow computes them directly. LUTHIER_XLA
    is read at every call outside of a graph, and inside of one when it is traced.
    """
    made = {jit: tf.function(function, jit_compile=jit, autograph=False) for jit in (True, None)}

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        sizes = (tf.size(x) for x in arguments if tf.is_tensor(x)) if tf.executing_eagerly() else ()
        small = tf.executing_eagerly() and sum(map(int, sizes)) < _WORTH_COMPILING
        if small or not _compile.get():
            return function(*arguments)
        return made[True if compiles() else None](*arguments)

    return call


def compiles() -> bool:
    """Returns whether XLA compiles anything in this process."""
    return _level() > 0


def whole_step() -> bool:
    """Returns whether a training step is to be one computation of XLA."""
    return _level() == 2


def _level() -> int:
    return environment.get_int(environment.XLA, 2 if on_gpu() else 1)


def on_gpu() -> bool:
    """Returns whether this process computes on a GPU: whether TensorFlow sees one."""
    return bool(tf.config.get_visible_devices("GPU"))


def float32_matmul(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Multiplies matrices in float32 even where TensorFlow uses TF32, whose 10 bits are too coarse for a phase.

    Args:
        left: [rows, inner]; `inner` is small.
        right: [inner, columns].

    Returns:
        [rows, columns].
    """
    if on_gpu():
        return tf.reduce_sum(left[:, :, None] * right[None], axis=1)
    return tf.matmul(left, right)
