"""How an instrument was played in its training: notes with loudness, release, pitch and vibrato, in a model's card.

`luthier play` makes the curves of a MIDI file's notes from them. The field is optional: older models have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from components.core.fields import Fields

MOST_NOTES = 64
_MOST_TIMES = 64
_LONGEST_S = 10.0
_LOWEST_DB, _HIGHEST_DB = -200.0, 100.0
_MOST_CENTS = 200.0
_MOST_VIBRATO_HZ = 12.0
_MOST_DB_PER_VELOCITY = 1.0


@dataclass(frozen=True)
class TrainingNote:
    """A note of the training.

    Attributes:
        pitch: MIDI pitch.
        velocity: MIDI velocity.
        loudness_db: At the times of `Expression.times_s`, by the model's loudness definition.
        release_db: At the times of `Expression.release_s`, relative to the loudness at the release; may be empty.
        cents: Pitch at `times_s`, relative to that of the steady note.
        vibrato_hz: Rate of the vibrato; 0 where there is none.
        vibrato_cents: Its amplitude: half of the distance from its lowest to its highest pitch.
    """

    pitch: int
    velocity: int
    loudness_db: tuple[float, ...]
    release_db: tuple[float, ...] = ()
    cents: tuple[float, ...] = ()
    vibrato_hz: float = 0.0
    vibrato_cents: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Returns it as the card holds it."""
        return {
            "pitch": self.pitch,
            "velocity": self.velocity,
            "loudness_db": list(self.loudness_db),
            "release_db": list(self.release_db),
            "cents": list(self.cents),
            "vibrato_hz": self.vibrato_hz,
            "vibrato_cents": self.vibrato_cents,
        }


@dataclass(frozen=True)
class Expression:
    """How an instrument was played.

    Attributes:
        times_s: Seconds from a note's onset, ascending from 0.
        release_s: Seconds from a note's release, ascending from 0.
        notes: Of the training, spread over pitch and velocity; at least one.
        lowest_pitch: The lowest MIDI pitch of the training.
        highest_pitch: The highest.
        db_per_velocity: Loudness by which one step of velocity differs.
        sustained: Whether a note lasts as long as it is played, as of bowed and blown instruments.
    """

    times_s: tuple[float, ...]
    release_s: tuple[float, ...]
    notes: tuple[TrainingNote, ...]
    lowest_pitch: int
    highest_pitch: int
    db_per_velocity: float
    sustained: bool

    @classmethod
    def of(cls, fields: Fields | None) -> Expression | None:
        """Reads it from a card; None where it has none.

        Raises:
            InputError: A field is missing, of a wrong type or out of range.
        """
        if fields is None:
            return None
        times_s, release_s = _times(fields, "times_s"), _times(fields, "release_s")
        notes = tuple(fields.each("notes", lambda each: _note(each, len(times_s), len(release_s))))
        if not 1 <= len(notes) <= MOST_NOTES:
            raise fields.wrong("notes", f"1 to {MOST_NOTES} notes")
        lowest = fields.whole("lowest_pitch", low=0, high=127)
        return cls(
            times_s,
            release_s,
            notes,
            lowest,
            fields.whole("highest_pitch", low=lowest, high=127),
            fields.number("db_per_velocity", low=0.0, high=_MOST_DB_PER_VELOCITY),
            bool(fields.whole("sustained", low=0, high=1)),
        )

    def as_dict(self) -> dict[str, Any]:
        """Returns it as the card holds it."""
        return {
            "times_s": list(self.times_s),
            "release_s": list(self.release_s),
            "notes": [note.as_dict() for note in self.notes],
            "lowest_pitch": self.lowest_pitch,
            "highest_pitch": self.highest_pitch,
            "db_per_velocity": self.db_per_velocity,
            "sustained": int(self.sustained),
        }


def _times(fields: Fields, name: str) -> tuple[float, ...]:
    times = fields.numbers(name, low=0.0, high=_LONGEST_S)
    if not 2 <= len(times) <= _MOST_TIMES or times[0] != 0 or any(a >= b for a, b in pairwise(times)):
        raise fields.wrong(name, f"2 to {_MOST_TIMES} ascending seconds from 0")
    return times


def _note(fields: Fields, times: int, releases: int) -> TrainingNote:
    def curve(name: str, lengths: tuple[int, ...], low: float, high: float) -> tuple[float, ...]:
        values = fields.numbers(name, default=(), low=low, high=high)
        if len(values) not in lengths:
            raise fields.wrong(name, f"{' or '.join(map(str, lengths))} numbers, one for each time")
        return values

    return TrainingNote(
        pitch=fields.whole("pitch", low=0, high=127),
        velocity=fields.whole("velocity", low=0, high=127),
        loudness_db=curve("loudness_db", (times,), _LOWEST_DB, _HIGHEST_DB),
        release_db=curve("release_db", (0, releases), _LOWEST_DB, _HIGHEST_DB),
        cents=curve("cents", (0, times), -_MOST_CENTS, _MOST_CENTS),
        vibrato_hz=fields.number("vibrato_hz", 0.0, low=0.0, high=_MOST_VIBRATO_HZ),
        vibrato_cents=fields.number("vibrato_cents", 0.0, low=0.0, high=_MOST_CENTS),
    )
