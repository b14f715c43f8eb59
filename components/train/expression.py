"""The expression of a family for its model card: a selection of the training's notes, measured from their curves.

Onset, release, vibrato and decay are read from pitch and loudness alone: recordings of users have no note-off events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.artifacts.expression import Expression, TrainingNote
from components.audio.levels import above_floor
from components.audio.loudness import FLOOR_DB
from components.nsynth.note import FRAME_RATE_HZ

Array = NDArray[np.floating[Any]]

TIMES_S = (
    *(0.0, 0.008, 0.016, 0.024, 0.032, 0.048, 0.064, 0.08, 0.1, 0.13, 0.16, 0.2),
    *(0.25, 0.32, 0.4, 0.5, 0.65, 0.8, 1.0, 1.3, 1.6, 2.0, 2.5, 3.0),
)
RELEASE_S = (0.0, 0.016, 0.032, 0.048, 0.064, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8)
_MOST_NOTES = 48
_ONSET_DB, _END_DB = -30.0, -45.0  # below the loudest frame
_BEFORE_ONSET = 4  # frames; see play.curves.ONSET_FRAMES
_LEAST_FRAMES = 75  # a shorter note says nothing of how one is held
_RELEASE_FRAMES, _RELEASE_DROP_DB, _HELD_DB = 75, 12.0, 4.0
_LAST_FRAMES = 75  # at the end of what is held: they say how it would go on
_DECAY_DB_PER_S = 6.0  # a note that falls faster is not sustained
_LEAST_SLOPE_FRAMES = 25
_GAP_FRAMES = 25  # of silence, 0.1 s: what follows is another note
_ATTACK_DB = 6.0  # below the loudest frame: the attack ends there
_VIBRATO_HZ, _LEAST_VIBRATO_CENTS, _MOST_VIBRATO_CENTS = (3.5, 8.5), 5.0, 80.0
_MOST_CENTS = 60.0  # of an onset that slides
_CELL_SEMITONES, _CELL_VELOCITIES = 4.0, 20.0
_PRIOR_DB_PER_VELOCITY, _PRIOR_WEIGHT = 0.15, 4.0
_MOST_DB_PER_VELOCITY = 0.6


@dataclass(frozen=True)
class _Measured:
    note: TrainingNote
    decays: bool


def expression_of(labels: Array, f0_hz: Array, loudness_db: Array) -> Expression | None:
    """Returns the expression of notes; None where none of them is long enough to tell.

    Args:
        labels: MIDI pitch and velocity, [notes, 2].
        f0_hz: Pitch in Hz without gaps, f32[notes, frames].
        loudness_db: By the model's loudness definition, f32[notes, frames].
    """
    measured = [
        found
        for (pitch, velocity), f0, loudness in zip(labels, f0_hz, loudness_db, strict=True)
        if (found := _measured(int(pitch), int(velocity), f0, loudness))
    ]
    if not measured:
        return None
    notes = [each.note for each in measured]
    return Expression(
        times_s=TIMES_S,
        release_s=RELEASE_S,
        notes=tuple(_selected(notes)),
        lowest_pitch=min(note.pitch for note in notes),
        highest_pitch=max(note.pitch for note in notes),
        db_per_velocity=round(_velocity_slope(notes), 3),
        sustained=2 * sum(each.decays for each in measured) < len(measured),
    )


def _measured(pitch: int, velocity: int, f0_hz: Array, loudness_db: Array) -> _Measured | None:
    if not 0 < pitch < 128 or not above_floor(loudness_db).any():
        return None
    loudness_db = _longest_sound(loudness_db)
    onset, end, release = span(loudness_db)
    held = (end if release is None else release) - onset
    if held < _LEAST_FRAMES or not (f0_hz[onset : onset + held] > 0).all():
        return None
    decays = _db_per_s(loudness_db[onset : onset + held]) < -_DECAY_DB_PER_S
    cents = 1200 * np.log2(f0_hz[onset : onset + held] / np.median(f0_hz[onset : onset + held]))
    rate_hz, depth_cents = _vibrato(cents)
    return _Measured(
        TrainingNote(
            pitch,
            velocity,
            _sampled(_continued(loudness_db[onset : onset + held], decays), TIMES_S),
            () if release is None else _sampled(loudness_db[release:] - loudness_db[release], RELEASE_S),
            _onset_cents(cents),
            rate_hz,
            depth_cents,
        ),
        decays,
    )


def _longest_sound(loudness_db: Array) -> Array:
    """Returns the loudness of the longest of several notes with silence between them, which then follows it.

    Four seconds of a recording may have several, and a note of the training with a gap would be played with one.
    """
    sounding = np.flatnonzero(loudness_db > loudness_db.max() + _END_DB)
    breaks = np.flatnonzero(np.diff(sounding) > _GAP_FRAMES)
    if not len(breaks):
        return loudness_db
    firsts, lasts = sounding[np.append(0, breaks + 1)], sounding[np.append(breaks, len(sounding) - 1)]
    longest = int(np.argmax(lasts - firsts))
    frame = np.arange(len(loudness_db))
    inside = (frame >= firsts[longest] - _BEFORE_ONSET) & (frame <= lasts[longest] + _GAP_FRAMES - _BEFORE_ONSET)
    return np.where(inside, loudness_db, FLOOR_DB)


def span(loudness_db: Array) -> tuple[int, int, int | None]:
    """Returns the frames where a note begins, where it has faded, and where it is let go (None where it fades itself).

    Args:
        loudness_db: f32[frames]; some of it sounds.
    """
    loudest = float(loudness_db.max())
    onset = max(0, int(np.argmax(loudness_db > loudest + _ONSET_DB)) - _BEFORE_ONSET)
    end = int(np.flatnonzero(loudness_db > loudest + _END_DB)[-1])
    return onset, end, _release(loudness_db, onset, end)


def _release(loudness_db: Array, onset: int, end: int) -> int | None:
    """Returns the last frame before the note is let go; None where it fades by itself or is cut off.

    A note that is let go falls faster than before. One that decays quickly looks held while silence before it counts.
    """
    before = np.median(np.lib.stride_tricks.sliding_window_view(loudness_db, _RELEASE_FRAMES), axis=1)
    frames = max(0, end + 1 - _RELEASE_FRAMES)  # none in a note that has faded before
    held = np.flatnonzero(loudness_db[_RELEASE_FRAMES:][:frames] >= before[:frames] - _HELD_DB)
    if not len(held):
        return None
    last = int(held[-1]) + _RELEASE_FRAMES
    after = loudness_db[last : last + _RELEASE_FRAMES]
    going_on = min(0.0, _db_per_s(loudness_db[max(onset, last - _RELEASE_FRAMES) : last + 1]))
    drop_db = _RELEASE_DROP_DB - going_on * _RELEASE_FRAMES / FRAME_RATE_HZ
    return last if len(after) == _RELEASE_FRAMES and after[0] - after[-1] >= drop_db else None


def _db_per_s(loudness_db: Array) -> float:
    """Returns by how much a loudness rises or, below 0, falls after its attack; 0 where hardly anything follows that.

    The silence before a note and its attack are a rise that would hide the decay of a note of a second.
    """
    after = loudness_db[int(np.argmax(loudness_db >= loudness_db.max() - _ATTACK_DB)) :]
    if len(after) < _LEAST_SLOPE_FRAMES:
        return 0.0
    return float(np.polyfit(np.arange(len(after)) / FRAME_RATE_HZ, after, 1)[0])


def _continued(held_db: Array, decays: bool) -> Array:
    """Returns the loudness of a note as if held longer: at its last level, or decaying on as in its last part."""
    last = held_db[-_LAST_FRAMES:]
    slope = np.polyfit(np.arange(len(last)), last, 1)[0] if decays else 0.0
    more = np.arange(1, max(1, round(TIMES_S[-1] * FRAME_RATE_HZ) + 1 - len(held_db)) + _LAST_FRAMES)
    return np.append(held_db, np.maximum(np.median(last[-_LAST_FRAMES // 4 :]) + min(slope, 0.0) * more, FLOOR_DB))


def _sampled(curve: Array, times_s: Sequence[float]) -> tuple[float, ...]:
    """Returns a curve at times, each the mean around it as far as half of the way to the next; its end is held."""
    at = np.minimum(np.array(times_s) * FRAME_RATE_HZ, len(curve) - 1)
    half = np.diff(np.append(times_s, 2 * times_s[-1] - times_s[-2])) * FRAME_RATE_HZ / 2
    values = [
        curve[max(0, round(middle - width)) : max(round(middle - width), round(middle + width)) + 1].mean()
        if width > 1
        else np.interp(middle, np.arange(len(curve)), curve)
        for middle, width in zip(at, half, strict=True)
    ]
    return tuple(round(float(value), 1) for value in values)


def _onset_cents(cents: Array) -> tuple[float, ...]:
    values = np.clip(_sampled(cents, TIMES_S), -_MOST_CENTS, _MOST_CENTS)
    fading = np.clip(2.0 - np.array(TIMES_S) / 0.2, 0.0, 1.0)  # from 0.4 s on, the note is steady
    return tuple(round(float(value), 1) + 0.0 for value in values * fading)


def _vibrato(cents: Array) -> tuple[float, float]:
    """Returns rate in Hz and amplitude in cents of the strongest steady vibrato; zeros without one."""
    steady = cents[len(cents) // 4 :]
    steady = steady - np.polyval(np.polyfit(np.arange(len(steady)), steady, 1), np.arange(len(steady)))
    spectrum = np.abs(np.fft.rfft(steady * np.hanning(len(steady)), 1 << 12)) * 4 / len(steady)
    rates = np.fft.rfftfreq(1 << 12, 1 / FRAME_RATE_HZ)
    inside = (rates >= _VIBRATO_HZ[0]) & (rates <= _VIBRATO_HZ[1])
    best = int(np.argmax(np.where(inside, spectrum, 0.0)))
    depth = float(spectrum[best])
    if not _LEAST_VIBRATO_CENTS <= depth <= _MOST_VIBRATO_CENTS:
        return 0.0, 0.0
    return round(float(rates[best]), 2), round(depth, 1)


def _velocity_slope(notes: Sequence[TrainingNote]) -> float:
    """Returns dB for a step of velocity: least squares beside a line over pitch, few notes pulled to a common value."""
    velocity = np.array([note.velocity for note in notes], float)
    pitch = np.array([note.pitch for note in notes], float)
    level = np.array([np.max(note.loudness_db) for note in notes])
    columns = np.stack([np.ones(len(notes)), pitch - pitch.mean(), velocity - velocity.mean()], axis=1)
    spread = 20.0**2 * _PRIOR_WEIGHT  # as of so many notes whose velocities differ by 20
    normal = columns.T @ columns + np.diag([1e-9, 1e-9 + spread / 4, spread])
    found = np.linalg.solve(normal, columns.T @ level + np.array([0.0, 0.0, spread * _PRIOR_DB_PER_VELOCITY]))
    return float(np.clip(found[2], 0.0, _MOST_DB_PER_VELOCITY))


def _selected(notes: Sequence[TrainingNote]) -> list[TrainingNote]:
    """Returns at most 48 notes that cover pitch and velocity: of each neighbourhood, the one most like the others."""
    places = np.array([(note.pitch / _CELL_SEMITONES, note.velocity / _CELL_VELOCITIES) for note in notes])
    centres = [int(np.argmin(np.square(places - np.median(places, axis=0)).sum(axis=1)))]
    distance = np.square(places - places[centres[0]]).sum(axis=1)
    while len(centres) < min(_MOST_NOTES, len(notes)) and distance.max() > 0:
        centres.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.square(places - places[centres[-1]]).sum(axis=1))
    cells = np.argmin(np.square(places[:, None] - places[centres]).sum(axis=2), axis=1)
    chosen = [_typical([notes[int(i)] for i in np.flatnonzero(cells == cell)]) for cell in range(len(centres))]
    return sorted(chosen, key=lambda note: (note.pitch, note.velocity))


def _typical(notes: Sequence[TrainingNote]) -> TrainingNote:
    curves = np.array([note.loudness_db for note in notes])
    return notes[int(np.argmin(np.abs(curves - np.median(curves, axis=0)).sum(axis=1)))]
