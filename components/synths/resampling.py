"""Values per frame to values per sample, and their gradients back: shared by the oscillators and the wavetables.

Samples are laid out as [hop, batch * frames]: one row for each sample of a frame. Frequencies are interpolated linearly
between frames (ddsp's core.resample), so j samples after the start of a frame of `hop` samples the phase has a closed
form,

    phase(j) = start + (j + 1) f + j (j + 1) / (2 hop) (f_next - f)      in cycles, f in cycles per sample,

and only the phases at the starts of frames are accumulated, in float64. ddsp accumulates all samples in float32, which
drifts by whole cycles in 4 s. Amplitudes follow a Hann window of two hops (ddsp's core.upsample_with_windows). The
values of the last frame are held to its end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from components.synths.ddsp_imports import tf

_Array = np.ndarray[Any, Any]


def hann_weights(hop: int) -> _Array:
    """The weights of a frame and of the next one in the amplitude of each sample of the frame, f32[hop, 2]."""
    rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(hop) / hop)
    return np.stack([1 - rise, rise], axis=1).astype(np.float32)


def linear_weights(hop: int) -> _Array:
    """The weights of a frame and of the next one in the frequency of each sample of the frame, f64[hop, 2]."""
    rise = np.arange(hop) / hop
    return np.stack([1 - rise, rise], axis=1)


def phase_weights(hop: int) -> _Array:
    """The weights of a frame's frequency and of the next one's in the phase since the frame's start, f64[hop, 2]."""
    sample = np.arange(hop)
    following = sample * (sample + 1) / (2 * hop)
    return np.stack([sample + 1 - following, following], axis=1)


def with_next(values: tf.Tensor) -> tf.Tensor:
    """[batch, frames, channels] -> [channels, 2, batch * frames]: each frame and the next one."""
    both = tf.stack([values, tf.concat([values[:, 1:], values[:, -1:]], axis=1)])
    return tf.reshape(tf.transpose(both, [3, 0, 1, 2]), [values.shape[2], 2, -1])


def with_next_transposed(pairs: tf.Tensor, batch: int) -> tf.Tensor:
    """The transpose of `with_next`, for gradients: [channels, 2, batch * frames] -> [batch, frames, channels]."""
    both = tf.transpose(tf.reshape(pairs, [pairs.shape[0], 2, batch, -1]), [1, 2, 3, 0])
    return add_to_frames(both[0], both[1])


def add_to_frames(own: tf.Tensor, following: tf.Tensor) -> tf.Tensor:
    """Adds the gradients of frames themselves and those of frames as the next one, [batch, frames, channels] each."""
    moved = tf.pad(following[:, :-1], [[0, 0], [1, 0], [0, 0]])
    return own + moved + tf.pad(following[:, -1:], [[0, 0], [following.shape[1] - 1, 0], [0, 0]])


def start_phases(cycles: tf.Tensor, hop: int) -> tf.Tensor:
    """Phases at the starts of the frames, in cycles, -0.5..0.5.

    Args:
        cycles: Frequencies in cycles per sample, f64[batch, frames, channels].
        hop: Samples per frame.

    Returns:
        f64[channels, 1, batch * frames].
    """
    ends = tf.concat([cycles[:, 1:], cycles[:, -1:]], axis=1)
    phases = tf.cumsum((hop + 1) / 2 * cycles + (hop - 1) / 2 * ends, axis=1, exclusive=True)
    return tf.reshape(tf.transpose(phases - tf.round(phases), [2, 0, 1]), [cycles.shape[2], 1, -1])


def fundamental(f0_hz: tf.Tensor, hop: int, sample_rate: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns one oscillator's phase in cycles and frequency in cycles per sample, at every sample.

    Args:
        f0_hz: Frequency in Hz, f32[batch, frames, 1].
        hop: Samples per frame.
        sample_rate: In Hz.

    Returns:
        Both f64[hop, batch * frames].
    """
    cycles = tf.cast(f0_hz, tf.float64) / sample_rate
    pair, of_phase, of_frequency = with_next(cycles)[0], phase_weights(hop), linear_weights(hop)
    phase = start_phases(cycles, hop)[0] + of_phase[:, :1] * pair[:1] + of_phase[:, 1:] * pair[1:]
    return phase, of_frequency[:, :1] * pair[:1] + of_frequency[:, 1:] * pair[1:]


def to_audio(values: tf.Tensor, batch: int) -> tf.Tensor:
    """[hop, batch * frames] -> [batch, frames * hop]."""
    return tf.reshape(tf.transpose(values), [batch, -1])


def from_audio(audio: tf.Tensor, hop: int) -> tf.Tensor:
    """[batch, frames * hop] -> [hop, batch * frames]."""
    return tf.transpose(tf.reshape(audio, [-1, hop]))
