"""Playing block by block: every block goes on exactly where the one before it ended, so memory does not grow with time.

Three things are carried from block to block: the state of the decoder's GRU, the oscillators' phases, and the last few
frames of the controls. The last, since a sample depends on the frames around it: amplitudes and frequencies reach for
the next frame, and the noise filters, being centred, for some on either side. So the sound comes `delay` frames late.

A layer begins at phase 0. To begin at another, it is given one frame more in front, with the frequency that turns the
oscillators to that phase within a hop; what sounds meanwhile is cut off. So the layers are the training's own.
"""

from __future__ import annotations

from components.nsynth.note import HOP_SAMPLES, SAMPLE_RATE_HZ
from components.synths.ddsp_imports import tf
from components.synths.instrument import Instrument
from components.synths.network import Network, Tensors
from components.synths.noise import filtered

BLOCK_FRAMES = 250


class Player:
    """Plays an instrument in blocks of equal length: a function of curves and of what the block before left.

    Attributes:
        block_frames: Frames of a block's curves, a multiple of the network's stride.
        delay: By how many of them the sound is late.
        stride: How many of them are one frame of the network.
    """

    def __init__(self, instrument: Instrument, block_frames: int = BLOCK_FRAMES) -> None:
        self._network, self.block_frames = Network(instrument), block_frames
        self.stride = self._network.stride
        # From here on, frames are the network's.
        self._hop, self._length = HOP_SAMPLES * self.stride, block_frames // self.stride
        taps = 2 * (self._network.outputs["noise_magnitudes"] - 1)
        self._late = -(-taps // self._hop)
        self.delay = self._late * self.stride
        # What a frame's frequency and the next one's add to the phase from one to the next, in samples (see frames.py).
        self._own, self._later = (self._hop + 1) / 2, (self._hop - 1) / 2

    def start(self, f0_hz: tf.Tensor, loudness_db: tf.Tensor) -> Tensors:
        """Returns what is before the first block: silence, and oscillators that will be at phase 0 when it begins.

        Args:
            f0_hz: The first frame's pitch in Hz, f32[1, 1, 1].
            loudness_db: The first frame's loudness, f32[1, 1, 1].
        """
        hidden, frames = self._network.begin(), 2 * self._late
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

    def play(
        self, f0_hz: tf.Tensor, loudness_db: tf.Tensor, seed: tf.Tensor, before: Tensors
    ) -> tuple[Tensors, Tensors]:
        """Plays one block.

        Args:
            f0_hz: Pitch in Hz without gaps, f32[1, block_frames, 1].
            loudness_db: Loudness as of loudness.loudness_db by the instrument's definition, the same shape.
            seed: Of the noise, int32[].
            before: What the block before left, or `start`.

        Returns:
            'audio', f32[1, block_frames * 64], and the controls of the network's frames in it,
            f32[1, block_frames / stride, channels] each, all `delay` frames late; and what is to be handed to the next
            block.
        """
        new, hidden = self._network.controls(f0_hz, loudness_db, before["hidden"])
        controls = {name: tf.concat([before[name], values], axis=1) for name, values in new.items()}
        # The first block's noise is that of Instrument.play with this seed.
        white = tf.random.stateless_uniform(
            [1, self._length * self._hop], tf.stack([seed, before["block"]]), minval=-1.0, maxval=1.0
        )
        white = tf.concat([before["white"], white], axis=1)
        heard = {name: values[:, self._late : self._late + self._length + 1] for name, values in controls.items()}
        tonal, phase = self._tonal(heard, before["phase"])
        noise = filtered(white, controls["noise_magnitudes"], self._network.noise.window_size)
        noise = noise[:, self._late * self._hop :][:, : self._length * self._hop]
        after = {name: values[:, self._length :] for name, values in controls.items()}
        after |= {"hidden": hidden, "phase": phase, "block": before["block"] + 1}
        after |= {"white": white[:, self._length * self._hop :]}
        return {"audio": tonal + noise, **{name: values[:, :-1] for name, values in heard.items()}}, after

    def _tonal(self, heard: Tensors, phase: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Plays the tone from a phase, f64[1, oscillators], in cycles; returns the phase at the end as well.

        Args:
            heard: The controls of the block's frames and of one more.
            phase: At the first frame.
        """
        cycles = _cycles(heard)
        turning = _wrapped(phase - self._later * cycles[:, 0]) / self._own
        in_front = {name: values[:, :1] for name, values in heard.items() if name != "noise_magnitudes"}
        in_front[_frequency(heard)] = tf.cast(SAMPLE_RATE_HZ * turning, tf.float32)[:, None]
        longer = {name: tf.concat([values, heard[name]], axis=1) for name, values in in_front.items()}
        self._network.tone.n_samples = (self._length + 2) * self._hop
        tonal = self._network.tone.get_signal(**longer)[:, self._hop : -self._hop]
        moved = tf.reduce_sum(self._own * cycles[:, :-1] + self._later * cycles[:, 1:], axis=1)
        return tonal, _wrapped(phase + moved)


def _frequency(controls: Tensors) -> str:
    return "frequencies" if "frequencies" in controls else "f0_hz"


def _cycles(controls: Tensors) -> tf.Tensor:
    """Returns the oscillators' frequencies in cycles a sample, f64[1, frames, oscillators]."""
    return tf.cast(controls[_frequency(controls)], tf.float64) / SAMPLE_RATE_HZ


def _wrapped(cycles: tf.Tensor) -> tf.Tensor:
    return cycles - tf.round(cycles)
