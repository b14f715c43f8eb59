"""An instrument as TensorFlow graphs without XLA, Keras or Luthier: the source of every export format.

A plugin calls `frame` once for every frame of the network, by default 250 times per second: pitch, loudness and the
network's state in, controls and the next state out, without a loop. `play` renders the audio of whole curves in blocks,
as `luthier transfer` does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from components.artifacts.model_card import ModelCard, Percentiles
from components.nsynth.note import FRAME_RATE_HZ, HOP_SAMPLES, FloatArray
from components.synths.ddsp_imports import ddsp, tf
from components.synths.instrument import Instrument
from components.synths.network import ControlNetwork, Tensors
from components.synths.reverb import reverberated
from components.synths.streaming import BlockRenderer
from components.synths.xla import without_xla

_BLOCK_FRAMES = 50

Arrays = dict[str, npt.NDArray[np.float32]]
Step = Callable[[Arrays], Arrays]
"""One frame, computed by the runtime of a format: from f0_hz, loudness_db and state to the controls and next_state."""

Shapes = dict[str, list[int]]


DEFAULT_PITCH_HZ = Percentiles(110.0, 311.0, 880.0)
"""The pitch range of a model whose card has none."""


class Graphs(tf.Module):  # type: ignore[misc]
    """The graphs of an instrument and the variables that they read.

    Attributes:
        instrument: The instrument.
        weights: Its variables, which are saved with the graphs.
        frame: f0_hz f32[1], loudness_db f32[1], state f32[units] -> controls, f32[channels] each, and 'next_state',
            f32[units].
        play: f0_hz f32[frames], loudness_db f32[frames], seed i32[] -> 'audio' f32[frames * 64] and the controls,
            f32[frames / stride, channels] each, rounded up; with a reverb also the 'dry' audio.
        units: Size of the state, which is zero at the start.
        stride: Frames of the curves that `play` takes, 250 per second, in one frame of the network.
        frame_rate_hz: Frames of the network per second; `frame` is called this often.
    """

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(name="instrument")
        self.instrument = instrument
        self.weights = list(instrument.model.variables)
        self.units, self.stride = ControlNetwork(instrument).units, instrument.stride
        self.frame_rate_hz = FRAME_RATE_HZ // self.stride

    @property
    def card(self) -> ModelCard:
        """The model card."""
        return self.instrument.card

    @property
    def is_band_limited(self) -> bool:
        """Whether the wavetables are played as sums of partials."""
        return bool(getattr(ControlNetwork(self.instrument).tone, "band_limited", False))

    @functools.cached_property
    def frame(self) -> Any:
        one, state = tf.TensorSpec([1]), tf.TensorSpec([self.units])
        return self.traced(partial(_frame, ControlNetwork(self.instrument)), f0_hz=one, loudness_db=one, state=state)

    @functools.cached_property
    def play(self) -> Any:
        curve, seed = tf.TensorSpec([None]), tf.TensorSpec([], tf.int32)
        renderer = BlockRenderer(self.instrument, _BLOCK_FRAMES)
        return self.traced(
            partial(_play, renderer, self.instrument.impulse_response), f0_hz=curve, loudness_db=curve, seed=seed
        )

    def traced(self, function: Callable[..., Any], **specs: tf.TensorSpec) -> Any:
        """Returns a function of the instrument's network as a graph of operations that every format supports."""
        with self.instrument.configured(), without_xla(), _convertible_soft_limit():
            return tf.function(function, autograph=False).get_concrete_function(**specs)


def _frame(network: ControlNetwork, f0_hz: tf.Tensor, loudness_db: tf.Tensor, state: tf.Tensor) -> Tensors:
    controls, following = network.controls(f0_hz[None, :, None], loudness_db[None, :, None], state[None])
    # The pitch is one of the controls, and an output must not have the name of an input.
    outputs = {name: tf.reshape(values, [-1]) for name, values in controls.items() if name != "f0_hz"}
    return {**outputs, "next_state": tf.reshape(following, [-1])}


def _play(
    renderer: BlockRenderer, response: FloatArray | None, f0_hz: tf.Tensor, loudness_db: tf.Tensor, seed: tf.Tensor
) -> Tensors:
    frames, length = tf.shape(f0_hz)[0], renderer.block_frames
    blocks = (frames + renderer.delay + length - 1) // length
    index = tf.minimum(tf.range(blocks * length), frames - 1)  # the last values are held
    curves = [tf.gather(_without_gaps(f0_hz), index), tf.gather(loudness_db, index)]
    state = renderer.initial_state(*(tf.reshape(values[0], [1, 1, 1]) for values in curves))

    def block(number: tf.Tensor, state: Tensors) -> tuple[Tensors, Tensors]:
        parts = [values[number * length : (number + 1) * length] for values in curves]
        f0_hz, loudness_db = (tf.reshape(part, [1, length, 1]) for part in parts)
        return renderer.render(f0_hz, loudness_db, seed, state)

    # The first block runs outside of the loop: its outputs define the arrays.
    first, state = block(tf.constant(0), state)
    arrays = {
        name: tf.TensorArray(values.dtype, blocks, element_shape=values.shape[1:]).write(0, values[0])
        for name, values in first.items()
    }

    def body(number: tf.Tensor, state: Tensors, arrays: dict[str, tf.TensorArray]) -> tuple[object, ...]:
        outputs, state = block(number, state)
        return number + 1, state, {name: array.write(number, outputs[name][0]) for name, array in arrays.items()}

    _, _, arrays = tf.while_loop(lambda number, *_: number < blocks, body, (tf.constant(1), state, arrays))
    joined = {name: array.concat() for name, array in arrays.items()}
    dry = joined.pop("audio")[renderer.delay * HOP_SAMPLES :][: frames * HOP_SAMPLES]
    sounds = {"audio": dry} if response is None else {"audio": reverberated(dry[None], response)[0], "dry": dry}
    late, count = renderer.delay // renderer.stride, (frames + renderer.stride - 1) // renderer.stride
    return {**sounds, **{name: values[late:][:count] for name, values in joined.items()}}


def _without_gaps(f0_hz: tf.Tensor) -> tf.Tensor:
    """Holds the pitch through frames of 0 Hz, as f0.fill_forward does. f32[frames]."""
    voiced = tf.cast(tf.where(f0_hz > 0)[:, 0], tf.int32)
    last = tf.searchsorted(voiced, tf.range(tf.shape(f0_hz)[0]), side="right") - 1
    return tf.gather(f0_hz, tf.gather(voiced, tf.maximum(last, 0)))


@contextmanager
def _convertible_soft_limit() -> Iterator[None]:
    """Replaces ddsp's core.soft_limit inside the block by one that LiteRT computes correctly.

    LiteRT computes softplus as log(1 + exp(x)), which is infinite for frequencies in Hz, and ddsp limits them by it.
    """
    original, ddsp.core.soft_limit = ddsp.core.soft_limit, _soft_limit
    try:
        yield
    finally:
        ddsp.core.soft_limit = original


def _soft_limit(x: tf.Tensor, x_min: float = 0.0, x_max: float = 1.0) -> tf.Tensor:
    """Limits values softly to x_min..x_max; see ddsp.core.soft_limit."""
    return _softplus(x) + x_min - _softplus(x - (x_max - x_min))


def _softplus(values: tf.Tensor) -> tf.Tensor:
    return tf.maximum(values, 0.0) + tf.math.log(1.0 + tf.exp(-tf.abs(values)))


def to_tflite(saved_model: str, signature: str) -> bytes:
    """Converts one function of a SavedModel to a TFLite file that uses built-in operations only."""
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=[signature])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converted: bytes = converter.convert()
    return converted
