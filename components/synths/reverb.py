"""The room of a recording: a learned impulse response that the dry sound is convolved with.

ddsp's solo_instrument has one (Engel et al. 2020). Without it, the network has to imitate the reverberation with the
tone and the noise of each frame, and every note is smeared.
"""

from __future__ import annotations

import numpy as np

from components.nsynth.note import SAMPLE_RATE_HZ, FloatArray
from components.synths.ddsp_imports import ddsp, gin, tf

_SEED = 2022
_INITIAL_DB = -15.0  # of the reverberation, relative to the dry sound, for white noise
_NEPERS = 10.0  # Adam moves every variable by about the learning rate a step
_DECAY_NEPERS = np.log(1e3)  # 60 dB


@gin.register(module="luthier")
class Reverb(ddsp.processors.Processor):  # type: ignore[misc]
    """Adds the reverberation of a room to the dry sound; with a length of 0, passes the sound on.

    The impulse response is noise under an exponential decay. The noise, its level and its decay are learned; the level
    and the decay are one number each, so a short training finds them first.
    """

    def __init__(self, seconds: float = 0.0, decay_s: float = 0.5, name: str = "reverb") -> None:
        """Creates the variables.

        Args:
            seconds: Length of the impulse response; 0: there is no reverberation.
            decay_s: Time in which it decays by 60 dB, before the training.
            name: The layer's name, which the gin graph refers to.
        """
        super().__init__(name=name)
        self.length = round(seconds * SAMPLE_RATE_HZ)
        if not self.length:
            return
        self.trainable = True
        noise = np.random.default_rng(_SEED).normal(size=self.length)
        rate = _DECAY_NEPERS / (decay_s * SAMPLE_RATE_HZ)
        power = np.sum(np.exp(-2 * rate * np.arange(1, self.length + 1)))
        level = (_INITIAL_DB / 20 * np.log(10) - 0.5 * np.log(power)) / _NEPERS
        self.noise = self.add_weight("noise", noise.shape, initializer=tf.constant_initializer(noise))
        self.level = self.add_weight("level", [], initializer=tf.constant_initializer(level))
        self.decay = self.add_weight("decay", [], initializer=tf.constant_initializer(np.log(rate) / _NEPERS))

    def impulse_response(self) -> tf.Tensor:
        """Returns what is added to the dry sound, as the response to an impulse one sample before, f32[length]."""
        time = tf.range(1, self.length + 1, dtype=tf.float32)
        return self.noise * tf.exp(_NEPERS * self.level - tf.exp(_NEPERS * self.decay) * time)

    def get_controls(self, audio: tf.Tensor) -> dict[str, tf.Tensor]:
        """Takes the dry sound, f32[batch, samples], and returns it as 'audio'."""
        return {"audio": audio}

    def get_signal(self, audio: tf.Tensor) -> tf.Tensor:
        """Adds the reverberation.

        Args:
            audio: The dry sound, f32[batch, samples].

        Returns:
            The wet sound, the same shape; what rings on after its end is cut off.
        """
        return reverberated(audio, self.impulse_response()) if self.length else audio


def reverberated(audio: tf.Tensor, response: tf.Tensor) -> tf.Tensor:
    """Adds to a sound its convolution with an impulse response, one sample late, by blocks (overlap-add).

    Args:
        audio: The dry sound, f32[batch, samples]; the number of samples may be unknown in a graph.
        response: f32[length]; see Reverb.impulse_response.

    Returns:
        The wet sound, the same shape.
    """
    length = response.shape[0]
    size = 1 << int(np.ceil(np.log2(2 * length + 1)))
    block = size - length
    samples = tf.shape(audio)[1]
    count = (samples + block - 1) // block
    blocks = tf.reshape(tf.pad(audio, [[0, 0], [0, count * block - samples]]), [audio.shape[0], count, block])
    spectrum = tf.signal.rfft(tf.pad(response, [[1, 0]]), [size])
    convolved = tf.signal.irfft(tf.signal.rfft(blocks, [size]) * spectrum, [size])
    wet = audio + tf.signal.overlap_and_add(convolved, block)[:, :samples]
    return tf.ensure_shape(wet, audio.shape)


class BlockReverb:
    """Adds the reverberation to a sound that comes in blocks: exactly that of the whole sound."""

    def __init__(self, response: FloatArray) -> None:
        """Takes the impulse response, f32[length]; see Reverb.impulse_response."""
        self._response = np.pad(response.astype(np.float64), (1, 0))
        self._tail = np.zeros(len(response))

    def render(self, dry: FloatArray) -> FloatArray:
        """Returns the wet sound of the next block, f32[samples]."""
        length, size = len(dry) + len(self._tail), 1
        while size < length:
            size *= 2
        convolved = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(self._response, size), size)[:length]
        convolved[: len(self._tail)] += self._tail
        self._tail = convolved[len(dry) :]
        return np.asarray(dry + convolved[: len(dry)], np.float32)

    def ringing(self) -> FloatArray:
        """Returns what still rings after the last block, f32[length]."""
        return self._tail.astype(np.float32)
