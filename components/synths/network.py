"""The control network of an instrument: curves to controls, with the state of the GRU as input and output."""

from __future__ import annotations

from components.core.errors import InputError
from components.synths import model as models
from components.synths.ddsp_imports import tf
from components.synths.instrument import Instrument

Tensors = dict[str, tf.Tensor]


class ControlNetwork:
    """The preprocessor, the decoder and the scale functions of an instrument, without the synthesis.

    Attributes:
        tone: The synthesizer layer.
        noise: The filtered noise layer.
        tone_inputs: The names of the synthesizer's inputs: outputs of the decoder, and f0_hz.
        units: Size of the GRU's state.
        outputs: The outputs of the decoder, each with its number of channels.
        stride: Frames of the curves, 250 per second, in one frame of the network.
    """

    def __init__(self, instrument: Instrument) -> None:
        self._model = instrument.model
        if not isinstance(self._model.decoder.rnn.rnn, tf.keras.layers.GRU) or self._model.decoder.stateless:
            raise InputError("the model's network is not a GRU, which transfer and export need; train it with a GRU")
        self._instrument = instrument
        self.tone, self.noise, self.tone_inputs = instrument.tone, instrument.noise, instrument.tone_inputs
        self.units, self.stride = int(self._model.decoder.rnn.rnn.units), instrument.stride
        self.outputs = {name: int(channels) for name, channels in self._model.decoder.output_splits}

    def initial_state(self) -> tf.Tensor:
        """Returns the GRU's state before the first frame, f32[1, units]."""
        return tf.zeros([1, self.units])

    def controls(self, f0_hz: tf.Tensor, loudness_db: tf.Tensor, hidden: tf.Tensor) -> tuple[Tensors, tf.Tensor]:
        """Computes the controls of some frames.

        Args:
            f0_hz: Pitch in Hz without gaps, f32[1, frames, 1].
            loudness_db: Loudness by the instrument's definition (see loudness.loudness_db), the same shape.
            hidden: The GRU's state after the frame before, f32[1, units].

        Returns:
            The synthesizer's controls and 'noise_magnitudes', f32[1, frames / stride, channels] each, rounded up; the
            GRU's new state.
        """
        models.set_frames(self._model, f0_hz.shape[1])
        scaled = self._model.preprocessor({"f0_hz": f0_hz, "loudness_db": loudness_db}, training=False)
        return self.controls_of({**scaled, "f0_hz": f0_hz[:, :: self.stride]}, hidden)

    def controls_of(self, features: Tensors, hidden: tf.Tensor) -> tuple[Tensors, tf.Tensor]:
        """Computes the controls of some frames of the network.

        Args:
            features: The tensors that the decoder's `input_keys` name, f0_hz and the scaled loudness, f32[1, frames, 1]
                each.
            hidden: See `controls`.

        Returns:
            See `controls`.
        """
        outputs, hidden = self._decode([features[key] for key in self._model.decoder.input_keys], hidden)
        return self._instrument.controls({**features, **outputs}), hidden

    def _decode(self, inputs: list[tf.Tensor], hidden: tf.Tensor) -> tuple[Tensors, tf.Tensor]:
        """Runs ddsp's RnnFcDecoder on [1, frames, channels] each; the layer's own call starts from a state of zeros."""
        decoder = self._model.decoder
        heads = [stack(values) for stack, values in zip(decoder.input_stacks, inputs, strict=True)]
        states, hidden = self._recur(tf.concat(heads, axis=-1), hidden)
        outputs = decoder.dense_out(decoder.out_stack(tf.concat([*heads, states], axis=-1)))
        names, sizes = zip(*decoder.output_splits, strict=True)
        return dict(zip(names, tf.split(outputs, sizes, axis=-1), strict=True)), hidden

    def _recur(self, inputs: tf.Tensor, hidden: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        recurrent = self._model.decoder.rnn.rnn
        if inputs.shape[1] == 1:  # one frame of plain matrix products: the graph needs no loop
            state, _ = recurrent.cell(inputs[:, 0], [hidden])
            return state[:, None], state
        states = recurrent(inputs, initial_state=hidden)
        return states, states[:, -1]
