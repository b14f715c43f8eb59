"""An instrument as plain TensorFlow functions, without XLA, Keras or Luthier in them: what every format is made from.

`frame` is what a plugin calls for every frame of the network, 250 times a second as a rule: pitch, loudness and the
network's state in, controls and the next state out, no loop inside. `play` makes sound of whole curves, block by block,
as transfer does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt

from components.artifacts.model_card import ModelCard, Percentiles
from components.nsynth.note import FRAME_RATE_HZ, HOP_SAMPLES
from components.synths.compiled import uncompiled
from components.synths.ddsp_imports import ddsp, tf
from components.synths.instrument import Instrument
from components.synths.network import Network, Tensors
from components.synths.streaming import Player

_BLOCK_FRAMES = 50

Arrays = dict[str, npt.NDArray[np.float32]]
Step = Callable[[Arrays], Arrays]
"""From f0_hz, loudness_db and state to the controls and next_state: a frame, computed by a format's own runtime."""

Shapes = dict[str, list[int]]


DEFAULT_PITCH_HZ = Percentiles(110.0, 311.0, 880.0)
"""The range of a model whose card does not say it."""


class Graphs(tf.Module):  # type: ignore[misc]
    """The functions of an instrument, and the variables that they read.

    Attributes:
        instrument: The instrument.
        weights: Its variables: what the functions read is saved with them.
        frame: f0_hz f32[1], loudness_db f32[1], state f32[units] -> controls, f32[channels] each, and 'next_state',
            f32[units].
        play: f0_hz f32[frames], loudness_db f32[frames], seed i32[] -> 'audio' f32[frames * 64] and the controls,
            f32[frames / stride, channels] each, rounded up.
        units: Numbers in the state; zeros at the start.
        stride: Frames of the curves that `play` takes, 250 a second, to one frame of the network.
        frame_rate_hz: Frames of the network a second: how often `frame` is to be called.
    """

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(name="instrument")
        self.instrument = instrument
        self.weights = list(instrument.model.variables)
        self.units, self.stride = Network(instrument).units, instrument.stride
        self.frame_rate_hz = FRAME_RATE_HZ // self.stride

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self.instrument.card

    @functools.cached_property
    def frame(self) -> Any:
        one, state = tf.TensorSpec([1]), tf.TensorSpec([self.units])
        return self.traced(partial(_frame, Network(self.instrument)), f0_hz=one, loudness_db=one, state=state)

    @functools.cached_property
    def play(self) -> Any:
        curve, seed = tf.TensorSpec([None]), tf.TensorSpec([], tf.int32)
        player = Player(self.instrument, _BLOCK_FRAMES)
        return self.traced(partial(_play, player), f0_hz=curve, loudness_db=curve, seed=seed)

    def traced(self, function: Callable[..., Any], **specs: tf.TensorSpec) -> Any:
        """Returns a function of the instrument's network as a graph, in operations that every format has."""
        with self.instrument.configured(), uncompiled(), _softplus_that_converts():
            return tf.function(function, autograph=False).get_concrete_function(**specs)


def _frame(network: Network, f0_hz: tf.Tensor, loudness_db: tf.Tensor, state: tf.Tensor) -> Tensors:
    controls, following = network.controls(f0_hz[None, :, None], loudness_db[None, :, None], state[None])
    # The pitch is among the controls, and an output cannot be called what an input is called.
    outputs = {name: tf.reshape(values, [-1]) for name, values in controls.items() if name != "f0_hz"}
    return {**outputs, "next_state": tf.reshape(following, [-1])}


def _play(player: Player, f0_hz: tf.Tensor, loudness_db: tf.Tensor, seed: tf.Tensor) -> Tensors:
    frames, length = tf.shape(f0_hz)[0], player.block_frames
    blocks = (frames + player.delay + length - 1) // length
    place = tf.minimum(tf.range(blocks * length), frames - 1)  # the ends are held
    curves = [tf.gather(_without_gaps(f0_hz), place), tf.gather(loudness_db, place)]
    carried = player.start(*(tf.reshape(values[0], [1, 1, 1]) for values in curves))

    def block(number: tf.Tensor, carried: Tensors) -> tuple[Tensors, Tensors]:
        parts = [values[number * length : (number + 1) * length] for values in curves]
        f0_hz, loudness_db = (tf.reshape(part, [1, length, 1]) for part in parts)
        return player.play(f0_hz, loudness_db, seed, carried)

    # The first block by itself: its outputs say what there is to collect.
    first, carried = block(tf.constant(0), carried)
    arrays = {
        name: tf.TensorArray(values.dtype, blocks, element_shape=values.shape[1:]).write(0, values[0])
        for name, values in first.items()
    }

    def step(number: tf.Tensor, carried: Tensors, arrays: dict[str, tf.TensorArray]) -> tuple[object, ...]:
        played, carried = block(number, carried)
        return number + 1, carried, {name: array.write(number, played[name][0]) for name, array in arrays.items()}

    _, _, arrays = tf.while_loop(lambda number, *_: number < blocks, step, (tf.constant(1), carried, arrays))
    joined = {name: array.concat() for name, array in arrays.items()}
    audio = joined.pop("audio")[player.delay * HOP_SAMPLES :][: frames * HOP_SAMPLES]
    late, heard = player.delay // player.stride, (frames + player.stride - 1) // player.stride
    return {"audio": audio, **{name: values[late:][:heard] for name, values in joined.items()}}


def _without_gaps(f0_hz: tf.Tensor) -> tf.Tensor:
    """Holds the pitch through frames of 0 Hz, as f0.fill_forward does. f32[frames]."""
    voiced = tf.cast(tf.where(f0_hz > 0)[:, 0], tf.int32)
    last = tf.searchsorted(voiced, tf.range(tf.shape(f0_hz)[0]), side="right") - 1
    return tf.gather(f0_hz, tf.gather(voiced, tf.maximum(last, 0)))


@contextmanager
def _softplus_that_converts() -> Iterator[None]:
    """LiteRT computes softplus as log(1 + exp(x)), which is infinite for the frequencies that ddsp limits by it."""

    def softplus(values: tf.Tensor) -> tf.Tensor:
        return tf.maximum(values, 0.0) + tf.math.log(1.0 + tf.exp(-tf.abs(values)))

    with mock.patch.object(ddsp.core.tf.nn, "softplus", softplus):
        yield


def to_tflite(saved_model: str, signature: str) -> bytes:
    """Converts one function of a SavedModel to a TFLite file, in built-in operations alone."""
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=[signature])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converted: bytes = converter.convert()
    return converted
