"""Frequencies of free sinusoids that start at the harmonics of a pitch, or near them."""

from __future__ import annotations

from components.synths.ddsp_imports import tf

_LOWEST_F0_HZ = 20.0  # replaces a pitch of 0, where there is none


def near_multiples(outputs: tf.Tensor, f0_hz: tf.Tensor, reach: float) -> tf.Tensor:
    """Gives each sinusoid the place of one multiple of a pitch: number k is at k times the pitch, and can leave it.

    Args:
        outputs: Network outputs; 0 is the multiple itself, f32[batch, frames, sinusoids].
        f0_hz: The pitch in Hz, f32[batch, frames, 1].
        reach: How far a sinusoid can be from its multiple, in units of the pitch, above 0.

    Returns:
        The frequencies in Hz, f32[batch, frames, sinusoids].
    """
    number = tf.range(1, outputs.shape[2] + 1, dtype=tf.float32)
    return tf.maximum(f0_hz, _LOWEST_F0_HZ) * (number + reach * tf.tanh(outputs))


def pull_to_multiples(
    frequencies_hz: tf.Tensor, f0_hz: tf.Tensor, pull: float, power: int = 4
) -> tuple[tf.Tensor, tf.Tensor]:
    """Moves frequencies towards the nearest multiples of a pitch; the nearer they are, the more.

    The distance d to a multiple, in units of half the pitch, -1..1, becomes d (1 - pull + pull d^power). This stretches
    the frequency axis: the map is continuous, in the pitch as well, keeps the order, and reaches every frequency. A
    frequency half-way between two multiples stays, and so does one below half the pitch; none moves by more than half
    the pitch.

    Args:
        frequencies_hz: In Hz, above 0, f32[batch, frames, sinusoids].
        f0_hz: The pitch in Hz, f32[batch, frames, 1].
        pull: 0 changes nothing; 1 removes a small distance completely, and with it the gradient.
        power: The higher, the further from a multiple a frequency is moved onto it. Several sinusoids that are near one
            multiple, but not on it, beat: the level of a steady note wobbles.

    Returns:
        The frequencies in Hz, and their distances |d| before, above 1 only below half the pitch; the same shape.
    """
    f0_hz = tf.maximum(f0_hz, _LOWEST_F0_HZ)
    number = tf.maximum(tf.round(frequencies_hz / f0_hz), 1.0)
    offset = frequencies_hz / f0_hz - number
    distance = 2 * tf.abs(offset)
    near = tf.minimum(distance, 1.0)
    # Models of before there was a power play as they did, to the last bit.
    kept = 1 - pull + pull * (tf.square(tf.square(near)) if power == 4 else tf.pow(near, float(power)))
    return f0_hz * (number + offset * kept), distance
