"""How a note is played: loudness, pitch and vibrato of a MIDI note, from the notes of the model's training.

The curves of a note are the mean of the training's notes, weighted by how near they are in pitch and velocity: a
Gaussian kernel, so that neighbouring notes of a melody do not jump from one recording to another. The page to play has
the same curves (web/src/expression.ts); a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.artifacts.model_card import ModelCard
from components.artifacts.plain_expression import expression_of

Array = NDArray[np.floating[Any]]

VIBRATO_HZ = 5.5
"""The rate of a vibrato that the modulation wheel asks for."""
_PITCH_SEMITONES, _VELOCITY_STEPS = 4.0, 20.0  # standard deviations of the kernel
_VIBRATO_FROM_S, _VIBRATO_FULL_S = 0.25, 0.6
_DECAY_OVER_S, _FASTEST_DECAY_DB_PER_S = 1.0, 40.0
_ATTACK_DB, _ATTACK_WITHIN_S = 3.0, 0.6
_END_OF_RELEASE_DB = -45.0


@dataclass(frozen=True)
class Shape:
    """The curves of one note, as functions of the seconds from its onset or its release."""

    times_s: Array
    onset_db: Array
    release_s: Array
    falling_db: Array
    onset_cents: Array
    vibrato_hz: float
    vibrato_cents: float
    sustained: bool

    def loudness_db(self, seconds: Array) -> Array:
        """Returns the loudness from the onset on; after the last known time it is held, or decays as before."""
        found: Array = np.interp(seconds, self.times_s, self.onset_db)
        if not self.sustained:
            last_s = float(self.times_s[-1])
            before = float(np.interp(max(0.0, last_s - _DECAY_OVER_S), self.times_s, self.onset_db))
            slope = np.clip((self.onset_db[-1] - before) / _DECAY_OVER_S, -_FASTEST_DECAY_DB_PER_S, 0.0)
            found = found + slope * np.maximum(seconds - last_s, 0.0)
        return found

    def release_db(self, seconds: Array) -> Array:
        """Returns the loudness from the release on, relative to that at the release."""
        return np.asarray(np.interp(seconds, self.release_s, self.falling_db))

    def cents(self, seconds: Array) -> Array:
        """Returns the pitch from the onset on, relative to the written one, with the vibrato."""
        depth = self.vibrato_cents * np.clip((seconds - _VIBRATO_FROM_S) / (_VIBRATO_FULL_S - _VIBRATO_FROM_S), 0, 1)
        vibrato = depth * np.sin(2 * np.pi * self.vibrato_hz * seconds)
        return np.asarray(np.interp(seconds, self.times_s, self.onset_cents) + vibrato)

    @property
    def attack_s(self) -> float:
        """The time until the loudness is within 3 dB of the highest of the first 0.6 s."""
        early = self.times_s <= _ATTACK_WITHIN_S
        reached = np.flatnonzero(self.onset_db[early] >= self.onset_db[early].max() - _ATTACK_DB)
        return float(self.times_s[reached[0]])

    @property
    def ring_s(self) -> float:
        """The time from the release until the note is 45 dB softer, or to the end of what is known."""
        low = np.flatnonzero(self.falling_db < _END_OF_RELEASE_DB)
        return float(self.release_s[low[0] if len(low) else -1])


class Playing:
    """How a model's instrument is played."""

    def __init__(self, card: ModelCard) -> None:
        """Takes the card of the model."""
        self.expression = expression_of(card)
        self._times, self._releases = np.array(self.expression.times_s), np.array(self.expression.release_s)
        notes = self.expression.notes
        self._places = np.array([(note.pitch, note.velocity) for note in notes], float)
        self._loudness = np.array([note.loudness_db for note in notes])
        self._falling = np.array([note.release_db or _plain_release(self._releases) for note in notes])
        self._cents = np.array([note.cents or np.zeros(len(self._times)) for note in notes])
        self._vibrato = np.array([(note.vibrato_hz, note.vibrato_cents) for note in notes])
        self._shapes: dict[tuple[int, int], Shape] = {}

    @property
    def sustained(self) -> bool:
        """Whether a note lasts as long as it is played."""
        return self.expression.sustained

    def shape(self, pitch: int, velocity: int) -> Shape:
        """Returns the curves of a note of a MIDI pitch and a velocity."""
        if (pitch, velocity) not in self._shapes:
            self._shapes[pitch, velocity] = self._mean(pitch, velocity)
        return self._shapes[pitch, velocity]

    def _mean(self, pitch: int, velocity: int) -> Shape:
        distances = (self._places - (pitch, velocity)) / (_PITCH_SEMITONES, _VELOCITY_STEPS)
        squares = np.square(distances).sum(axis=1)
        weights = np.exp(-0.5 * (squares - squares.min()))
        weights /= weights.sum()
        louder_db = self.expression.db_per_velocity * (velocity - weights @ self._places[:, 1])
        depths = weights * self._vibrato[:, 1]
        rate_hz = float(depths @ self._vibrato[:, 0] / depths.sum()) if depths.sum() > 0 else VIBRATO_HZ
        return Shape(
            self._times,
            weights @ self._loudness + louder_db,
            self._releases,
            weights @ self._falling,
            weights @ self._cents,
            rate_hz,
            float(depths.sum()),
            self.sustained,
        )


def _plain_release(seconds: Array) -> Array:
    return np.asarray(-60.0 * np.minimum(seconds / 0.2, 1.0))
