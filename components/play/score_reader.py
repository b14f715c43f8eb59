"""From the events of a MIDI file to a score: notes with the sustain pedal, and controllers."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from components.core.errors import InputError
from components.core.text import counted
from components.play.score import Controllers, Part, Score, ScoreNote

LONGEST_S = 1_800
"""The longest music that is played, in seconds."""

_DRUM_CHANNEL = 9  # MIDI's channel 10, whose numbers are drums and not pitches
_MOST_NOTES = 50_000
_RPN_BEND_RANGE, _RPN_NONE = (0, 0), (127, 127)
_DEFAULT_BEND_SEMITONES, _MOST_BEND_SEMITONES = 2.0, 24.0
_VOLUME, _PAN, _EXPRESSION, _MODULATION, _SUSTAIN = 7, 10, 11, 1, 64
_DEFAULTS = {_VOLUME: 100.0, _PAN: 64.0, _EXPRESSION: 127.0, _MODULATION: 0.0}
_ALL_SOUND_OFF, _RESET_CONTROLLERS, _ALL_NOTES_OFF = 120, 121, 123


@dataclass
class _Channel:
    """What a channel's controllers are at a time, and what they were."""

    steps: dict[str | int, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    rpn: tuple[int, int] = _RPN_NONE
    bend_semitones: float = _DEFAULT_BEND_SEMITONES
    bend: int = 0
    sustained: bool = False

    def set(self, seconds: float, name: str | int, value: float) -> None:
        self.steps[name].append((seconds, value))

    def controllers(self) -> Controllers:
        of = {name: np.array(values) for name, values in self.steps.items()}
        return Controllers(
            *(of.get(name, ()) for name in ("bend", _VOLUME, _PAN, _EXPRESSION, _MODULATION)),
        )


class ScoreReader:
    """Collects notes and controllers, event by event."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._channels: dict[int, _Channel] = defaultdict(_Channel)
        # By channel, then by track and pitch: notes that sound, the oldest first; and those that only the pedal holds.
        self._sounding: dict[int, dict[tuple[int, int], deque[tuple[float, int]]]] = defaultdict(
            lambda: defaultdict(deque)
        )
        self._held: dict[int, list[tuple[int, int, float, int]]] = defaultdict(list)
        self._notes: dict[tuple[int, int], list[ScoreNote]] = defaultdict(list)
        self._drum_notes = self._empty_notes = 0
        self._seconds = 0.0

    def take(self, seconds: float, track: int, message: Any) -> None:
        """Takes the next event."""
        self._seconds = seconds
        if message.type in ("note_on", "note_off"):
            if message.channel == _DRUM_CHANNEL:
                self._drum_notes += message.type == "note_on" and message.velocity > 0
            elif message.type == "note_on" and message.velocity > 0:
                self._sounding[message.channel][track, message.note].append((seconds, message.velocity))
            else:
                self._release(seconds, track, message.channel, message.note)
        elif message.type == "pitchwheel":
            channel = self._channels[message.channel]
            channel.bend = message.pitch
            self._bend(channel, seconds)
        elif message.type == "control_change":
            self._control(seconds, message.channel, message.control, message.value)

    def score(self, names: Sequence[str]) -> Score:
        """Returns the score. Notes that never end do so at the end of the file."""
        for channel in range(16):
            self._end_all(self._seconds, channel)
        # Once for all parts of a channel: each of a file's thousands of tracks may have one.
        used = {channel for _, channel in self._notes}
        controllers = {channel: self._channels[channel].controllers() for channel in used}
        parts = tuple(
            Part(
                names[track],
                channel + 1,
                tuple(sorted(notes, key=lambda each: (each.start_s, each.pitch))),
                controllers[channel],
            )
            for (track, channel), notes in sorted(self._notes.items())
        )
        if not parts:
            raise InputError(f"the MIDI file '{self._uri}' has no notes to play: {self._why()}")
        count = sum(len(part.notes) for part in parts)
        if count > _MOST_NOTES:
            raise InputError(
                f"the MIDI file '{self._uri}' has {count:,} notes: expected {_MOST_NOTES:,} at most; try a part of it"
            )
        seconds = max(note.end_s for part in parts for note in part.notes)
        if seconds > LONGEST_S:
            raise InputError(
                f"the MIDI file '{self._uri}' lasts {min(seconds / 60, 1e6):,.0f} minutes: "
                f"expected {LONGEST_S // 60} at most; try a part of it"
            )
        return Score(parts, seconds, self._drum_notes, self._empty_notes)

    def _why(self) -> str:
        if self._drum_notes:
            drums = counted(self._drum_notes, "note")
            return f"it has only {drums} of drums (channel 10); move them to another channel to play them as pitches"
        if self._empty_notes:
            empty = counted(self._empty_notes, "note")
            return f"it has only {empty} without a length; try to quantise the ends, or export it again"
        return "got none; expected events 'note on'"

    def _release(self, seconds: float, track: int, channel: int, pitch: int) -> None:
        sounding = self._sounding[channel][track, pitch]
        if not sounding:
            return
        start_s, velocity = sounding.popleft()
        if self._channels[channel].sustained:
            self._held[channel].append((track, pitch, start_s, velocity))
        else:
            self._add(track, channel, ScoreNote(start_s, seconds, pitch, velocity))

    def _add(self, track: int, channel: int, note: ScoreNote) -> None:
        if note.end_s > note.start_s:
            self._notes[track, channel].append(note)
        else:
            self._empty_notes += 1

    def _end_held(self, seconds: float, channel: int) -> None:
        for track, pitch, start_s, velocity in self._held.pop(channel, []):
            self._add(track, channel, ScoreNote(start_s, seconds, pitch, velocity))

    def _end_all(self, seconds: float, channel: int) -> None:
        self._end_held(seconds, channel)
        for (track, pitch), sounding in self._sounding.pop(channel, {}).items():
            for start_s, velocity in sounding:
                self._add(track, channel, ScoreNote(start_s, seconds, pitch, velocity))

    def _bend(self, channel: _Channel, seconds: float) -> None:
        channel.set(seconds, "bend", channel.bend / 8192 * channel.bend_semitones)

    def _control(self, seconds: float, number: int, control: int, value: int) -> None:
        channel = self._channels[number]
        if control in _DEFAULTS:
            channel.set(seconds, control, float(value))
        elif control == _SUSTAIN:
            channel.sustained = value >= 64
            if not channel.sustained:
                self._end_held(seconds, number)
        elif control in (100, 101):
            high, low = channel.rpn
            channel.rpn = (high, value) if control == 100 else (value, low)
        elif control in (98, 99):  # a parameter of the maker's, not a registered one
            channel.rpn = _RPN_NONE
        elif control in (6, 38) and channel.rpn == _RPN_BEND_RANGE:
            whole = float(value) if control == 6 else float(int(channel.bend_semitones)) + value / 100
            channel.bend_semitones = min(whole, _MOST_BEND_SEMITONES)
            self._bend(channel, seconds)
        elif control == _RESET_CONTROLLERS:
            self._reset(seconds, number, channel)
        elif control in (_ALL_SOUND_OFF, _ALL_NOTES_OFF):
            self._end_all(seconds, number)

    def _reset(self, seconds: float, number: int, channel: _Channel) -> None:
        channel.bend, channel.rpn, channel.sustained = 0, _RPN_NONE, False
        self._bend(channel, seconds)
        for control in (_EXPRESSION, _MODULATION):
            channel.set(seconds, control, _DEFAULTS[control])
        self._end_held(seconds, number)
