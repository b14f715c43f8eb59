"""From values per frame to values per sample, and back for gradients: what oscillators and wavetables share.

Arrays of samples are laid out as [hop, batch * frames], sample by sample within the frame. Frequencies are straight
lines between frames (ddsp's core.resample), so j samples after the frame's start, of hop, a phase has a closed form,

    phase(j) = start + (j + 1) f + j (j + 1) / (2 hop) (f_next - f)      in cycles, f in cycles a sample,

and only the frames' starts are accumulated, in float64. ddsp adds up all samples in float32, which drifts by whole
cycles in 4 s. Amplitudes follow a Hann window of two hops (ddsp's core.upsample_with_windows). The last frame is held.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from components.synths.ddsp_imports import tf

_Array = np.ndarray[Any, Any]


def hann(hop: int) -> _Array:
    """The shares of a frame and of the next one in the amplitudes of the frame's samples, f32[hop, 2]."""
    rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(hop) / hop)
    return np.stack([1 - rise, rise], axis=1).astype(np.float32)


def straight(hop: int) -> _Array:
    """The shares of a frame and of the next one in the frequencies of the frame's samples, f64[hop, 2]."""
    rise = np.arange(hop) / hop
    return np.stack([1 - rise, rise], axis=1)


def advance(hop: int) -> _Array:
    """What a frame's frequency and the next one's add to the phase since the frame's start, in samples, f64[hop, 2]."""
    sample = np.arange(hop)
    later = sample * (sample + 1) / (2 * hop)
    return np.stack([sample + 1 - later, later], axis=1)


def with_next(values: tf.Tensor) -> tf.Tensor:
    """[batch, frames, channels] -> [channels, 2, batch * frames]: each frame and the next one."""
    both = tf.stack([values, tf.concat([values[:, 1:], values[:, -1:]], axis=1)])
    return tf.reshape(tf.transpose(both, [3, 0, 1, 2]), [values.shape[2], 2, -1])


def with_next_transposed(pairs: tf.Tensor, batch: int) -> tf.Tensor:
    """The transpose of `with_next`, for gradients: [channels, 2, batch * frames] -> [batch, frames, channels]."""
    both = tf.transpose(tf.reshape(pairs, [pairs.shape[0], 2, batch, -1]), [1, 2, 3, 0])
    return brought_back(both[0], both[1])


def brought_back(own: tf.Tensor, later: tf.Tensor) -> tf.Tensor:
    """Adds what came to frames themselves and what came to them as the next one, [batch, frames, channels] each."""
    moved = tf.pad(later[:, :-1], [[0, 0], [1, 0], [0, 0]])
    return own + moved + tf.pad(later[:, -1:], [[0, 0], [later.shape[1] - 1, 0], [0, 0]])


def starts(cycles: tf.Tensor, hop: int) -> tf.Tensor:
    """Phases at the frames' starts, in cycles, -0.5..0.5.

    Args:
        cycles: Frequencies in cycles a sample, f64[batch, frames, channels].
        hop: Samples a frame.

    Returns:
        f64[channels, 1, batch * frames].
    """
    ends = tf.concat([cycles[:, 1:], cycles[:, -1:]], axis=1)
    phases = tf.cumsum((hop + 1) / 2 * cycles + (hop - 1) / 2 * ends, axis=1, exclusive=True)
    return tf.reshape(tf.transpose(phases - tf.round(phases), [2, 0, 1]), [cycles.shape[2], 1, -1])


def fundamental(f0_hz: tf.Tensor, hop: int, sample_rate: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns one oscillator's phase in cycles and frequency in cycles a sample, at every sample.

    Args:
        f0_hz: Frequency in Hz, f32[batch, frames, 1].
        hop: Samples a frame.
        sample_rate: In Hz.

    Returns:
        Both f64[hop, batch * frames].
    """
    cycles = tf.cast(f0_hz, tf.float64) / sample_rate
    pair, moved, shares = with_next(cycles)[0], advance(hop), straight(hop)
    phase = starts(cycles, hop)[0] + moved[:, :1] * pair[:1] + moved[:, 1:] * pair[1:]
    return phase, shares[:, :1] * pair[:1] + shares[:, 1:] * pair[1:]


def samples(values: tf.Tensor, batch: int) -> tf.Tensor:
    """[hop, batch * frames] -> [batch, frames * hop]."""
    return tf.reshape(tf.transpose(values), [batch, -1])


def framed(audio: tf.Tensor, hop: int) -> tf.Tensor:
    """[batch, frames * hop] -> [hop, batch * frames]."""
    return tf.transpose(tf.reshape(audio, [-1, hop]))
