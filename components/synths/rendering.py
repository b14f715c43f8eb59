"""Rendering of curves with a model, block by block, in memory that does not grow with their length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from components.core.errors import StepError
from components.nsynth.note import HOP_SAMPLES, FloatArray
from components.synths.ddsp_imports import tf
from components.synths.instrument import Instrument
from components.synths.noise import as_seed
from components.synths.reverb import BlockReverb
from components.synths.streaming import BLOCK_FRAMES, BlockRenderer

_RAMP = np.arange(HOP_SAMPLES, dtype=np.float32) / HOP_SAMPLES


@dataclass(frozen=True)
class Curves:
    """What a model is to render.

    Attributes:
        f0_hz: Pitch in Hz, f32[frames], without gaps.
        loudness_db: By the model's loudness definition, f32[frames].
        gate: Gain of the sound, f32[frames], 0..1: 0 where there is to be silence.
    """

    f0_hz: FloatArray
    loudness_db: FloatArray
    gate: FloatArray


def render(instrument: Instrument, curves: Curves, seed: int = 0, dry: bool = False) -> Iterator[FloatArray]:
    """Yields audio at 16 kHz, f32[samples] a block, together frames * 64 samples.

    Args:
        instrument: The model.
        curves: In the range that the model was trained in.
        seed: Determines the noise.
        dry: Whether a reverb of the model is left out.

    Raises:
        StepError: The output of the model is not finite.
    """
    response = None if dry else instrument.impulse_response
    blocks = _finite(_render_dry(instrument, curves, seed), f"{instrument.card.family} {instrument.card.synth}")
    # After the gate, so that the room rings on in silence.
    yield from blocks if response is None else map(BlockReverb(response).render, blocks)


def _finite(blocks: Iterable[FloatArray], name: str) -> Iterator[FloatArray]:
    for block in blocks:
        if not np.isfinite(block).all():
            raise StepError(
                f"the output of the {name} model is not finite (NaN): its training diverged; train it again"
            )
        yield block


def _render_dry(instrument: Instrument, given: Curves, seed: int) -> Iterator[FloatArray]:
    (renderer, render_block), frames = _compiled(instrument), len(given.f0_hz)
    with instrument.configured():
        state = renderer.initial_state(*(_frames(curve, 0, 1) for curve in (given.f0_hz, given.loudness_db)))
    for first in range(0, frames + renderer.delay, BLOCK_FRAMES):
        curves = [_frames(curve, first, BLOCK_FRAMES) for curve in (given.f0_hz, given.loudness_db)]
        block, state = render_block(*curves, tf.constant(as_seed(seed)), state)
        start = first - renderer.delay  # the frame at which this block of audio begins
        gated = block["audio"].numpy()[0] * _gain(given.gate, start, BLOCK_FRAMES)
        yield gated[max(0, -start) * HOP_SAMPLES :][: (frames - max(0, start)) * HOP_SAMPLES]


@lru_cache(maxsize=2)
def _compiled(instrument: Instrument) -> tuple[BlockRenderer, Callable[..., Any]]:
    """Returns a renderer and its traced `render`. Tracing takes seconds: a model is traced once, however often used."""
    renderer, frame = BlockRenderer(instrument), tf.TensorSpec([1, BLOCK_FRAMES, 1], tf.float32)
    with instrument.configured():
        state = renderer.initial_state(tf.zeros([1, 1, 1]), tf.zeros([1, 1, 1]))
        traced = tf.function(renderer.render).get_concrete_function(frame, frame, tf.TensorSpec([], tf.int32), state)
    return renderer, traced


def _hold_ends(curve: FloatArray, first: int, count: int) -> FloatArray:
    """Returns `count` frames of a curve from `first` on, f32[count]; beyond its ends, the end value."""
    return curve[np.clip(np.arange(first, first + count), 0, len(curve) - 1)]


def _frames(curve: FloatArray, first: int, count: int) -> tf.Tensor:
    return tf.constant(_hold_ends(curve, first, count)[None, :, None])


def _gain(gate: FloatArray, first: int, count: int) -> FloatArray:
    """Returns the gate at every sample, interpolated linearly between frames, f32[count * 64]."""
    ends = _hold_ends(gate, first, count + 1)
    return np.ravel(ends[:-1, None] + (ends[1:] - ends[:-1])[:, None] * _RAMP).astype(np.float32)
