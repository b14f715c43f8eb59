"""Steady notes from a model: what lies between the partials, how the level wobbles, what is left in silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal.windows import blackmanharris

Array = npt.NDArray[np.floating[Any]]

PITCHES = tuple(range(36, 97, 6))
"""MIDI numbers of the steady notes: C2 to C7."""
FRAMES = 500
"""Length of a steady note, 250 frames a second."""
SILENCE_PITCH = 60
SILENT_DB = -80.0
"""Loudness, by ddsp's definition, of silence."""
_RATE_HZ = 16000
_SPECTRUM_SAMPLES = 16384  # the last second: the network has settled
_LOBE_BINS = 6  # half the main lobe of the window, and a little
_LEVEL_SAMPLES = 800  # 50 ms
_SETTLED_SAMPLES = 8000


@dataclass(frozen=True)
class Steady:
    """The worst of a model's steady notes.

    Attributes:
        inharmonic_db: Power of the tone between the multiples of its pitch, against all of it, at the worst pitch.
        inharmonic_pitch: That pitch, MIDI.
        wobble_db: Range of the level of a steady note after its first half second, at the worst pitch.
        silence_db: Level of the sound where the loudness says silence, in dB of full scale.
    """

    inharmonic_db: float
    inharmonic_pitch: int
    wobble_db: float
    silence_db: float


def measure(tones: Array, sounds: Array, silence: Array) -> Steady:
    """Measures steady notes.

    Args:
        tones: The tonal part of the notes of PITCHES, f32[pitches, samples].
        sounds: The whole sound of these notes, the same shape.
        silence: The sound where the loudness is SILENT_DB, f32[samples].
    """
    ratios = [inharmonic_db(tone, 440.0 * 2 ** ((pitch - 69) / 12)) for tone, pitch in zip(tones, PITCHES, strict=True)]
    worst = int(np.argmax(ratios))
    return Steady(
        inharmonic_db=ratios[worst],
        inharmonic_pitch=PITCHES[worst],
        wobble_db=max(wobble_db(sound) for sound in sounds),
        silence_db=_db(float(np.mean(np.square(silence[_SETTLED_SAMPLES:], dtype=np.float64)))),
    )


def inharmonic_db(tone: Array, f0_hz: float) -> float:
    """Returns the power between the multiples of a steady pitch against all power, in dB; -120 at least."""
    window = blackmanharris(_SPECTRUM_SAMPLES)  # side lobes at -92 dB
    power = np.square(np.abs(np.fft.rfft(tone[-_SPECTRUM_SAMPLES:].astype(np.float64) * window)))
    bin_hz = _RATE_HZ / _SPECTRUM_SAMPLES
    frequency_hz = bin_hz * np.arange(len(power))
    nearest = np.maximum(np.round(frequency_hz / f0_hz), 1.0)
    between = np.abs(frequency_hz - nearest * f0_hz) > _LOBE_BINS * bin_hz
    return _db(power[between].sum() / max(float(power.sum()), 1e-20))


def wobble_db(sound: Array) -> float:
    """Returns the range of the level in 50 ms after the first half second, 5th to 95th percentile, in dB."""
    settled = sound[_SETTLED_SAMPLES:].astype(np.float64)
    power = (
        np.square(settled[: len(settled) // _LEVEL_SAMPLES * _LEVEL_SAMPLES]).reshape(-1, _LEVEL_SAMPLES).mean(axis=1)
    )
    low, high = np.percentile(10 * np.log10(np.maximum(power, 1e-12)), (5, 95))
    return float(high - low)


def _db(power: float) -> float:
    return float(10 * np.log10(max(power, 1e-12)))
