"""Pitch over time in the report, in notes: the label, and what a tracker hears in the original and in a copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.audio.f0 import hz_to_midi, note_name
from components.evaluate import plots

Array = NDArray[np.floating[Any]]

HEIGHT = 104.0
_LEAST_SEMITONES = 4
# Up to so many semitones in a plot, a mark every so many; octaves beyond.
_STEPS = ((5, 1), (9, 2))
_OCTAVE = 12


def midi_curve(f0_hz: Array) -> Array:
    """Returns a pitch curve in MIDI semitones, [frames]; NaN where there is no pitch."""
    known = np.nan_to_num(f0_hz) > 0
    semitones: Array = np.where(known, hz_to_midi(np.where(known, f0_hz, 440.0)), np.nan)
    return semitones


def axis(curves: Sequence[Array], written: int) -> plots.Axis:
    """Returns an axis on which every value of some curves lies, marked with notes.

    Args:
        curves: MIDI semitones, [frames] each; NaN where there is no pitch.
        written: The written note, which is always marked: octaves of it where the range is wide.
    """
    values = [written, *(curve[np.isfinite(curve)] for curve in curves)]
    known = np.concatenate([np.atleast_1d(np.asarray(each, float)) for each in values])
    low, high = float(known.min()) - 1.0, float(known.max()) + 1.0
    missing = max(0.0, _LEAST_SEMITONES - (high - low)) / 2
    low, high = low - missing, high + missing
    step = next((step for most, step in _STEPS if high - low <= most), _OCTAVE)
    first = written - step * int((written - low) // step)
    ticks = [(float(midi), note_name(midi)) for midi in range(first, int(np.floor(high)) + 1, step) if 0 <= midi < 128]
    return plots.Axis(low, high, 0, 0, ticks)
