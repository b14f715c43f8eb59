"""Free sinusoids that begin as partials of a pitch."""

from __future__ import annotations

from components.synths.ddsp_imports import tf

_LOWEST_HZ = 20.0  # of a pitch, where there is none


def near_multiples(frequencies_hz: tf.Tensor, f0_hz: tf.Tensor, pull: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Moves frequencies towards the nearest multiples of a pitch, the more the nearer they are.

    With d the distance to a multiple in units of half the pitch, -1..1, it becomes d (1 - pull + pull d^4). That is a
    stretching of the frequency axis: it is continuous, in the pitch too, keeps the order, and reaches every frequency.
    A frequency half-way between two multiples stays, and so does one below half the pitch; none moves by more than
    about a quarter of the pitch.

    Args:
        frequencies_hz: In Hz, above 0, f32[batch, frames, sinusoids].
        f0_hz: The pitch in Hz, f32[batch, frames, 1].
        pull: 0 leaves all as it is; 1 takes away all of a small distance, and with it the gradient.

    Returns:
        The frequencies in Hz, and how far off they had been: |d|, above 1 only below half the pitch; the same shape.
    """
    f0_hz = tf.maximum(f0_hz, _LOWEST_HZ)
    number = tf.maximum(tf.round(frequencies_hz / f0_hz), 1.0)
    away = frequencies_hz / f0_hz - number
    apart = 2 * tf.abs(away)
    kept = 1 - pull + pull * tf.square(tf.square(tf.minimum(apart, 1.0)))
    return f0_hz * (number + away * kept), apart
