"""Reading of Standard MIDI files: bounds for hostile ones, tempo, notes with the sustain pedal, and controllers.

mido parses the bytes. It reads numbers of any length and keeps every event as an object, so the size of a file and the
length of a number are limited before it sees them.
"""

from __future__ import annotations

import io
import re
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import mido
import numpy as np
from numpy.typing import NDArray

from components import storage
from components.core.errors import InputError
from components.core.text import counted
from components.play.chunks import without_other_chunks
from components.play.riff import unwrapped

LONGEST_S = 1_800
"""The longest music that is played, in seconds."""
DRUM_CHANNEL = 9
"""MIDI's channel 10, whose numbers are drums and not pitches."""

_LARGEST_BYTES = 2 << 20  # 700,000 events, 400 MB as mido's objects
_MOST_NOTES = 50_000
_ENDLESS_NUMBER = re.compile(rb"[\x80-\xff]{4096}")
_MOST_TICKS = 1 << 48
_DEFAULT_TEMPO_US = 500_000
_LONGEST_NAME = 40
_RPN_BEND_RANGE, _RPN_NONE = (0, 0), (127, 127)
_DEFAULT_BEND_SEMITONES, _MOST_BEND_SEMITONES = 2.0, 24.0
_VOLUME, _PAN, _EXPRESSION, _MODULATION, _SUSTAIN = 7, 10, 11, 1, 64
_DEFAULTS = {_VOLUME: 100.0, _PAN: 64.0, _EXPRESSION: 127.0, _MODULATION: 0.0}
_ALL_SOUND_OFF, _RESET_CONTROLLERS, _ALL_NOTES_OFF = 120, 121, 123

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


def read_score(uri: str) -> Score:
    """Reads a MIDI file of type 0 or 1, also in RIFF (.rmi).

    Args:
        uri: Local or gs://.

    Raises:
        InputError: It is not a MIDI file, damaged, of type 2, too large or too long, or has no notes to play.
    """
    with storage.open_read(uri) as stream:
        content = stream.read(_LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise InputError(
            f"the MIDI file '{uri}' is too large: expected {_LARGEST_BYTES >> 20} MB at most; "
            "try one without its system exclusive data, or a part of the piece"
        )
    file = _parse(unwrapped(content), uri)
    reader = _Reader(uri)
    for seconds, track, message in _timed(file, uri):
        reader.take(seconds, track, message)
    return reader.score([_name(track) for track in file.tracks])


def _parse(content: bytes, uri: str) -> mido.MidiFile:
    if not content.startswith(b"MThd"):
        raise InputError(f"'{uri}' is not a MIDI file: expected a Standard MIDI file, which begins with 'MThd'")
    if _ENDLESS_NUMBER.search(content):
        raise InputError(f"the MIDI file '{uri}' is damaged: it has a number of more than 4,096 bytes")
    try:
        file = mido.MidiFile(file=io.BytesIO(without_other_chunks(content)))
    except EOFError as error:
        raise InputError(
            f"the MIDI file '{uri}' is damaged: it ends within a track; export or copy it again"
        ) from error
    except Exception as error:  # mido has no class of its own for what it cannot read
        reason = str(error) or type(error).__name__
        raise InputError(f"the MIDI file '{uri}' is damaged: {reason}; export or copy it again") from error
    if file.type not in (0, 1):
        raise InputError(
            f"the MIDI file '{uri}' is of type {file.type}, whose tracks are independent pieces: "
            "expected type 0 or 1; save it as type 1"
        )
    return file


def _name(track: Sequence[Any]) -> str:
    found = next((each.name for each in track if each.type == "track_name"), "")
    return "".join(letter for letter in found if letter.isprintable()).strip()[:_LONGEST_NAME]


def _timed(file: mido.MidiFile, uri: str) -> Iterator[tuple[float, int, Any]]:
    """Yields seconds, track and message of every event, in the order of time."""
    events: list[tuple[int, int, Any]] = []
    for number, track in enumerate(file.tracks):
        ticks = 0
        for message in track:
            ticks += message.time
            events.append((ticks, number, message))
    # By ticks alone: the sort is stable, and events at one time stay in the order of the file.
    events.sort(key=lambda each: each[0])
    fixed_s = _fixed_tick_s(file.ticks_per_beat, uri)
    tempo_us, seconds, before = _DEFAULT_TEMPO_US, 0.0, 0
    for ticks, number, message in events:
        passed = min(ticks - before, _MOST_TICKS)
        seconds += passed * (fixed_s or tempo_us / 1e6 / file.ticks_per_beat)
        before = ticks
        yield seconds, number, message
        if message.type == "set_tempo":
            tempo_us = message.tempo


def _fixed_tick_s(division: int, uri: str) -> float:
    """Returns the seconds of a tick where the file counts frames of film (SMPTE); 0 where it counts beats."""
    if division > 0:
        return 0.0
    frames_per_s, ticks = -(division >> 8), division & 0xFF
    if not division or frames_per_s not in (24, 25, 29, 30) or not ticks:
        raise InputError(f"the MIDI file '{uri}' is damaged: its unit of time is {division}; export or copy it again")
    return 1.0 / ((30 / 1.001 if frames_per_s == 29 else frames_per_s) * ticks)


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


class _Reader:
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
            if message.channel == DRUM_CHANNEL:
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
