"""Rendering in blocks: each block continues exactly where the block before ended, and memory stays constant.

The state between blocks has three parts: the state of the decoder's GRU, the phases of the oscillators, and the last
few frames of the controls. The controls are needed because a sample depends on the frames around it: amplitudes and
frequencies on the next frame, the centred noise filters on some on either side. So the audio is `delay` frames late.

The layers are those of the training, and a layer starts at phase 0. To start at another phase, it gets one more frame
in front, with the frequency that moves the oscillators to that phase within a hop; the audio of that frame is cut off.
"""

from __future__ import annotations

from components.nsynth.note import HOP_SAMPLES, SAMPLE_RATE_HZ
from components.synths.ddsp_imports import tf
from components.synths.instrument import Instrument
from components.synths.network import ControlNetwork, Tensors
from components.synths.noise import filtered

BLOCK_FRAMES = 250


class BlockRenderer:
    """Renders an instrument in blocks of equal length: a function of curves and of the state after the block before.

    Attributes:
        block_frames: Frames of a block's curves, a multiple of the network's stride.
        delay: Frames of the curves by which the audio is late.
        stride: Frames of the curves in one frame of the network.
    """

    def __init__(self, instrument: Instrument, block_frames: int = BLOCK_FRAMES) -> None:
        self._network, self.block_frames = ControlNetwork(instrument), block_frames
        self.stride = self._network.stride
        # From here on, frames are those of the network.
        self._hop, self._length = HOP_SAMPLES * self.stride, block_frames // self.stride
        taps = 2 * (self._network.outputs["noise_magnitudes"] - 1)
        self._late = -(-taps // self._hop)
        self.delay = self._late * self.stride
        # The weights of a frame's frequency and of the next one's in the phase advance of a frame (see resampling.py).
        self._own, self._following = (self._hop + 1) / 2, (self._hop - 1) / 2

    def initial_state(self, f0_hz: tf.Tensor, loudness_db: tf.Tensor) -> Tensors:
        """Returns the state before the first block: silence, and oscillators that are at phase 0 when the block starts.

        Args:
            f0_hz: The first frame's pitch in Hz, f32[1, 1, 1].
            loudness_db: The first frame's loudness, f32[1, 1, 1].
        """
        hidden, frames = self._network.initial_state(), 2 * self._late
        first, _ = self._network.controls(f0_hz, loudness_db, hidden)
        silent = ("amplitudes", "noise_magnitudes")
        held = {
            name: tf.repeat(tf.zeros_like(values) if name in silent else values, frames, axis=1)
            for name, values in first.items()
        }
        return {
            **held,
            "hidden": hidden,
            "phase": _wrapped(-self._late * self._hop * _cycles(first)[:, 0]),
            "white": tf.zeros([1, frames * self._hop]),
            "block": tf.zeros([], tf.int32),
        }

    def render(
        self, f0_hz: tf.Tensor, loudness_db: tf.Tensor, seed: tf.Tensor, state: Tensors
    ) -> tuple[Tensors, Tensors]:
        """Renders one block.

        Args:
            f0_hz: Pitch in Hz without gaps, f32[1, block_frames, 1].
            loudness_db: Loudness by the instrument's definition (see loudness.loudness_db), the same shape.
            seed: Seed of the noise, int32[].
            state: The state after the block before, or `initial_state`.

        Returns:
            'audio', f32[1, block_frames * 64], without the reverb (see reverb.BlockReverb), and the controls of the
            network's frames in it, f32[1, block_frames / stride, channels] each, all `delay` frames late; and the state
            for the next block.
        """
        new, hidden = self._network.controls(f0_hz, loudness_db, state["hidden"])
        controls = {name: tf.concat([state[name], values], axis=1) for name, values in new.items()}
        # The noise of the first block equals that of Instrument.play with this seed.
        white = tf.random.stateless_uniform(
            [1, self._length * self._hop], tf.stack([seed, state["block"]]), minval=-1.0, maxval=1.0
        )
        white = tf.concat([state["white"], white], axis=1)
        block = {name: values[:, self._late : self._late + self._length + 1] for name, values in controls.items()}
        tonal, phase = self._tonal(block, state["phase"])
        noise = filtered(white, controls["noise_magnitudes"], self._network.noise.window_size)
        noise = noise[:, self._late * self._hop :][:, : self._length * self._hop]
        new_state = {name: values[:, self._length :] for name, values in controls.items()}
        new_state |= {"hidden": hidden, "phase": phase, "block": state["block"] + 1}
        new_state |= {"white": white[:, self._length * self._hop :]}
        return {"audio": tonal + noise, **{name: values[:, :-1] for name, values in block.items()}}, new_state

    def _tonal(self, controls: Tensors, phase: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Renders the tonal part from a phase, f64[1, oscillators], in cycles; also returns the phase at the end.

        Args:
            controls: The controls of the block's frames and of one more.
            phase: The phase at the first frame.
        """
        cycles = _cycles(controls)
        cycles_in_front = _wrapped(phase - self._following * cycles[:, 0]) / self._own
        in_front = {name: values[:, :1] for name, values in controls.items() if name != "noise_magnitudes"}
        in_front[_frequency(controls)] = tf.cast(SAMPLE_RATE_HZ * cycles_in_front, tf.float32)[:, None]
        longer = {name: tf.concat([values, controls[name]], axis=1) for name, values in in_front.items()}
        self._network.tone.n_samples = (self._length + 2) * self._hop
        tonal = self._network.tone.get_signal(**longer)[:, self._hop : -self._hop]
        advance = tf.reduce_sum(self._own * cycles[:, :-1] + self._following * cycles[:, 1:], axis=1)
        return tonal, _wrapped(phase + advance)


def _frequency(controls: Tensors) -> str:
    return "frequencies" if "frequencies" in controls else "f0_hz"


def _cycles(controls: Tensors) -> tf.Tensor:
    """Returns the frequencies of the oscillators in cycles per sample, f64[1, frames, oscillators]."""
    return tf.cast(controls[_frequency(controls)], tf.float64) / SAMPLE_RATE_HZ


def _wrapped(cycles: tf.Tensor) -> tf.Tensor:
    return cycles - tf.round(cycles)
