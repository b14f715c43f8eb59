"""The level of what a model plays: a gain per frame that gives its sound the loudness that it was asked for.

The controls of a frame tell its loudness: it is the weighted power of the partials and of the filtered noise.
So the error of the network in level is known before the sound is computed, and is taken back. The network is trained
without this gain, so that a training sees that it plays too softly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from components.audio.loudness import A_WEIGHTING_POLES_HZ, FLOOR_DB, LOUDNESS_DEFINITION, WINDOW_SAMPLES
from components.nsynth.note import SAMPLE_RATE_HZ
from components.synths import dictionary
from components.synths.ddsp_imports import tf

Tensors = dict[str, Any]

LIMIT_DB = 6.0
"""The largest gain and, with a minus sign, the smallest. A network that is further off has not learned the sound."""

_HANN_POWER = 3 / 8  # mean of the squared window
_WHITE_POWER = 1 / 3  # of white noise in -1..1
_SMALLEST_POWER = 1e-20  # keeps the quotient finite
_A_GAIN = 10**0.2  # 2 dB, which make the A weighting 0 dB at 1 kHz


def corrected(controls: Tensors, f0_hz: tf.Tensor, loudness_db: tf.Tensor, definition: str) -> Tensors:
    """Multiplies the levels of tone and noise by one gain per frame, so that the sound has the loudness asked for.

    Args:
        controls: Those of a synthesizer layer, with 'noise_magnitudes', [batch, frames, channels] each.
        f0_hz: Pitch in Hz, [batch, frames, 1].
        loudness_db: The loudness asked for, the same shape.
        definition: That of the loudness; see loudness.loudness_db.

    Returns:
        The controls, with other 'amplitudes' and 'noise_magnitudes'.
    """
    gain = _gain(power(controls, f0_hz, definition), loudness_db)
    return {
        **controls,
        **{name: controls[name] * gain for name in ("amplitudes", "noise_magnitudes")},
    }


def power(controls: Tensors, f0_hz: tf.Tensor, definition: str) -> tf.Tensor:
    """Returns the power whose level in dB is the loudness of what steady controls sound like, [batch, frames, 1].

    Args:
        controls: See `corrected`.
        f0_hz: See `corrected`.
        definition: See `corrected`.
    """
    weighted = definition == LOUDNESS_DEFINITION
    weight = _a_weight if weighted else tf.ones_like
    frequencies_hz, amplitudes = _partials(controls, f0_hz)
    below_nyquist = tf.cast(frequencies_hz < SAMPLE_RATE_HZ / 2, tf.float32)
    tone = tf.reduce_sum(weight(frequencies_hz) * below_nyquist * amplitudes**2, axis=-1, keepdims=True) / 2
    # The impulse responses of the filters have a Hann window, which spreads each band over its neighbours.
    magnitudes = controls["noise_magnitudes"]
    padded = tf.concat([magnitudes[..., 1:2], magnitudes, magnitudes[..., -2:-1]], axis=-1)
    response = (padded[..., :-2] + 2.0 * padded[..., 1:-1] + padded[..., 2:]) / 4.0
    bands_hz = tf.constant(np.linspace(0, SAMPLE_RATE_HZ / 2, magnitudes.shape[-1]), tf.float32)
    noise = _WHITE_POWER * tf.reduce_mean(weight(bands_hz) * response**2, axis=-1, keepdims=True)
    return _scale(definition, weighted) * (tone + noise)


def _scale(definition: str, weighted: bool) -> float:
    """Returns what a definition makes of the mean power of a stationary sound.

    With the A weighting, it is the mean over the bins of an STFT of the power that Parseval's theorem makes of it.
    """
    size = WINDOW_SAMPLES[definition]
    return size**2 * _HANN_POWER / 2 / (size // 2 + 1) if weighted else 1.0


def _partials(controls: Tensors, f0_hz: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the frequencies in Hz and the amplitudes of all sinusoids of a tone, [batch, frames, sinusoids] each."""
    amplitudes = controls["amplitudes"]
    if "frequencies" in controls:
        return controls["frequencies"], amplitudes
    if "harmonic_distribution" in controls:
        shares = controls["harmonic_distribution"]
    else:
        tables = controls["wavetables"]
        sines, cosines = tf.split(tf.matmul(tables, dictionary.to_partials(int(tables.shape[-1]))), 2, axis=-1)
        shares = tf.sqrt(sines**2 + cosines**2)
    return f0_hz * tf.range(1.0, shares.shape[-1] + 1.0), amplitudes * shares


def _a_weight(frequencies_hz: tf.Tensor) -> tf.Tensor:
    """Returns the A weighting of power, the factor of loudness.a_weighting_db, without its floor."""
    squared = frequencies_hz**2
    first, second, third, fourth = (hz**2 for hz in A_WEIGHTING_POLES_HZ)
    above = first * squared**2
    below = (squared + first) * (squared + second) * tf.sqrt((squared + third) * (squared + fourth))
    return _A_GAIN * (above / below) ** 2


def _gain(played_power: tf.Tensor, loudness_db: tf.Tensor) -> tf.Tensor:
    """Returns the gain of amplitudes. Where silence is asked for, whose exact level is unknown, it is the smallest."""
    wanted_power = 10.0 ** (loudness_db / 10.0) - 10.0 ** (FLOOR_DB / 10.0)
    gain = tf.sqrt(tf.maximum(wanted_power, 0.0) / (played_power + _SMALLEST_POWER))
    return tf.clip_by_value(gain, 10.0 ** (-LIMIT_DB / 20), 10.0 ** (LIMIT_DB / 20))
