"""Curves of the fundamental frequency (f0): which frames have a pitch, filling gaps, moving by octaves, units.

A curve has 250 frames a second. A frame without a pitch (silence, noise) holds 0 Hz. A network reads pitch on a
logarithmic scale, where 0 Hz lies far below every note, so a fall to 0 would sweep the oscillators through all
frequencies between; each consumer fills the gaps in the way that fits it:

* `fill_forward`: training and `Instrument.play`. The last pitch is held; the loudness says that the frame is silent.
* `fill_nearest`: transfer. An attack whose pitch is not yet clear takes the pitch of its own note.
* `interpolate_hz`: between the frames of a tracker, onto the 250 Hz frames; the records of `prepare` have no other
  gaps than digital silence, as the data set's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from components.nsynth.note import FloatArray

VOICED_CONFIDENCE = 0.5
"""A frame has a pitch where the tracker's confidence is at least this: swift-f0 is calibrated to it, CREPE near it."""

_NOTE_NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_MELODY_QUANTILES = (0.08, 0.92)  # without the slide into a note, and a few errors
_LEAST_MELODY_SEMITONES = 1.6  # a strong vibrato has less


def confident_hz(f0_hz: FloatArray, confidence: FloatArray) -> FloatArray:
    """Returns the pitch where a record's confidence is VOICED_CONFIDENCE or more, in Hz, f32[frames]; 0 elsewhere.

    Some trackers write NaN where there is no pitch: a pitch that is not finite is none, as in `fill_forward`.
    """
    known = (confidence >= VOICED_CONFIDENCE) & np.isfinite(f0_hz)
    return np.where(known, f0_hz, np.float32(0.0))


def fill_forward(f0_hz: npt.ArrayLike) -> FloatArray:
    """Fills every gap with the pitch before it, and a gap at the start with the first pitch.

    Args:
        f0_hz: Pitch in Hz, 0 (or not finite) where there is none, [batch, frames].

    Returns:
        The same without zeros, f32[batch, frames]; a row without any pitch stays 0.
    """
    pitch = np.nan_to_num(np.asarray(f0_hz, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    frame = np.arange(pitch.shape[1])
    pitched = pitch > 0
    last = np.maximum.accumulate(np.where(pitched, frame, -1), axis=1)
    first = np.argmax(pitched, axis=1)[:, None]
    return np.take_along_axis(pitch, np.where(last < 0, first, last), axis=1)


def fill_nearest(f0_hz: FloatArray) -> FloatArray:
    """Gives every frame without a pitch the pitch of the nearest frame that has one; the earlier one of two.

    Args:
        f0_hz: Pitch in Hz, 0 where there is none, f32[frames]; at least one frame has a pitch.
    """
    pitched = np.flatnonzero(f0_hz > 0)
    frame = np.arange(len(f0_hz))
    after = np.clip(np.searchsorted(pitched, frame), 0, len(pitched) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.where(np.abs(pitched[before] - frame) <= np.abs(pitched[after] - frame), before, after)
    filled: FloatArray = f0_hz[pitched[nearer]]
    return filled


def interpolate_hz(
    seconds: npt.NDArray[Any], known_seconds: npt.NDArray[Any], known_hz: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Interpolates pitch linearly in octaves; before the first and after the last known pitch, that one is held.

    Args:
        seconds: Times to interpolate at, [frames].
        known_seconds: Times with a pitch, ascending, [known]; at least one.
        known_hz: Pitch there in Hz, [known].

    Returns:
        Pitch in Hz, f64[frames].
    """
    return np.asarray(2.0 ** np.interp(seconds, known_seconds, np.log2(known_hz)))


def octaves_to_fit(f0_hz: FloatArray, sounding: npt.NDArray[np.bool_], median_hz: float) -> int:
    """Returns by how many octaves to move a sound so that its median pitch is nearest to a model's.

    Args:
        f0_hz: Pitch of the sound in Hz, 0 where there is none, f32[frames].
        sounding: Which frames count, bool[frames]; all with a pitch where none of these has one.
        median_hz: Median pitch of the model's training, of its card.

    Returns:
        Whole octaves, above 0 for up; 0 for a sound without pitch.
    """
    pitched = f0_hz > 0
    counted = pitched & sounding if (pitched & sounding).any() else pitched
    return round(float(np.log2(median_hz / np.median(f0_hz[counted])))) if counted.any() else 0


def hz_to_midi(f0_hz: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Returns MIDI semitones (A4, 440 Hz, is 69) of pitches above 0 Hz."""
    return np.asarray(69.0 + 12.0 * np.log2(f0_hz / 440.0))


def note_name(midi: int) -> str:
    """Returns the note's name, C4 for 60."""
    return f"{_NOTE_NAMES[midi % 12]}{midi // 12 - 1}"


def melody_name(f0_hz: npt.NDArray[Any]) -> str:
    """Returns the range of a sound that has several notes, "C4 to B4"; "" for one note, its vibrato included.

    Args:
        f0_hz: Pitch in Hz, 0 where there is none, [frames].
    """
    pitched = f0_hz[f0_hz > 0]
    if not len(pitched):
        return ""
    lowest, highest = (float(each) for each in np.quantile(hz_to_midi(pitched), _MELODY_QUANTILES))
    if highest - lowest < _LEAST_MELODY_SEMITONES:
        return ""
    return f"{note_name(round(lowest))} to {note_name(round(highest))}"


def midi_to_hz(midi: float) -> float:
    """Returns the pitch in Hz of a MIDI number."""
    return float(440.0 * 2.0 ** ((midi - 69.0) / 12.0))
