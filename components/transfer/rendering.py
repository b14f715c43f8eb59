"""An instrument plays fitted curves, block by block, in memory that does not grow with their length."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from components.nsynth.note import HOP_SAMPLES, FloatArray
from components.synths.ddsp_imports import tf
from components.synths.instrument import Instrument
from components.synths.streaming import BLOCK_FRAMES, BlockRenderer
from components.transfer.fitting import Fitted

_RISE = np.arange(HOP_SAMPLES, dtype=np.float32) / HOP_SAMPLES


def played(instrument: Instrument, fitted: Fitted, seed: int = 0) -> Iterator[FloatArray]:
    """Yields the sound of curves, f32[samples] at 16 kHz a block, together frames * 64 samples.

    Args:
        instrument: Who plays.
        fitted: What.
        seed: Determines the noise.
    """
    renderer, frames = BlockRenderer(instrument), len(fitted.f0_hz)
    with instrument.configured():
        state = renderer.initial_state(*(_frames(curve, 0, 1) for curve in (fitted.f0_hz, fitted.loudness_db)))
        frame = tf.TensorSpec([1, BLOCK_FRAMES, 1], tf.float32)
        play = tf.function(renderer.render).get_concrete_function(frame, frame, tf.TensorSpec([], tf.int32), state)
    for first in range(0, frames + renderer.delay, BLOCK_FRAMES):
        curves = [_frames(curve, first, BLOCK_FRAMES) for curve in (fitted.f0_hz, fitted.loudness_db)]
        block, state = play(*curves, tf.constant(seed), state)
        start = first - renderer.delay  # the frame that the block's sound begins with
        gated = block["audio"].numpy()[0] * _gain(fitted.gate, start, BLOCK_FRAMES)
        yield gated[max(0, -start) * HOP_SAMPLES :][: (frames - max(0, start)) * HOP_SAMPLES]


def _held(curve: FloatArray, first: int, count: int) -> FloatArray:
    """Returns some frames of a curve whose ends are held, f32[count]."""
    return curve[np.clip(np.arange(first, first + count), 0, len(curve) - 1)]


def _frames(curve: FloatArray, first: int, count: int) -> tf.Tensor:
    return tf.constant(_held(curve, first, count)[None, :, None])


def _gain(gate: FloatArray, first: int, count: int) -> FloatArray:
    """Returns the gate at every sample, straight lines from frame to frame, f32[count * 64]."""
    ends = _held(gate, first, count + 1)
    return np.ravel(ends[:-1, None] + (ends[1:] - ends[:-1])[:, None] * _RISE).astype(np.float32)
