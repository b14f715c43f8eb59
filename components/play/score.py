"""A score: the parts of a MIDI file, with their notes and controllers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.core.text import counted

Steps = tuple[tuple[float, float], ...] | NDArray[np.float64]
"""A controller: seconds, ascending, and the value from there on, [events, 2]."""


@dataclass(frozen=True)
class ScoreNote:
    """A note of a score: start and end in seconds, MIDI pitch, velocity 1..127."""

    start_s: float
    end_s: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Controllers:
    """The controllers of a channel; each is empty where the file does not use it.

    Attributes:
        bend: Pitch bend in semitones.
        volume: CC 7, 0..127.
        pan: CC 10, 0 (left) to 127 (right).
        expression: CC 11, 0..127.
        modulation: CC 1, 0..127.
    """

    bend: Steps = ()
    volume: Steps = ()
    pan: Steps = ()
    expression: Steps = ()
    modulation: Steps = ()


@dataclass(frozen=True)
class Part:
    """The notes of one channel in one track, in the order of their starts; `channel` is 1..16."""

    name: str
    channel: int
    notes: tuple[ScoreNote, ...]
    controllers: Controllers

    def text(self) -> str:
        """Returns it in words: "Violin (channel 1, 120 notes)"."""
        return f"{self.name or 'unnamed'} (channel {self.channel}, {counted(len(self.notes), 'note')})"


@dataclass(frozen=True)
class Score:
    """A MIDI file.

    Attributes:
        parts: In the order of tracks and channels; at least one.
        seconds: Where its last note ends.
        drum_notes: Notes of the drum channel, which are left out.
        empty_notes: Notes without a length, which are left out.
    """

    parts: tuple[Part, ...]
    seconds: float
    drum_notes: int
    empty_notes: int
