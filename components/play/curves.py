"""Curves of a voice: pitch, loudness and gain by frame, from its notes and its channel's controllers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.artifacts.model_card import ModelCard
from components.audio.levels import gate
from components.audio.loudness import FLOOR_DB
from components.nsynth.note import FRAME_RATE_HZ, SAMPLE_RATE_HZ
from components.play.playing import VIBRATO_HZ
from components.play.score import Controllers, Steps
from components.play.voices import VoiceNote

if TYPE_CHECKING:
    from components.synths.rendering import Curves

Array = NDArray[np.floating[Any]]

ONSET_FRAMES = 4
"""Loudness is measured in windows of 32 ms, so it rises so many frames before the sound does."""
_APART_S = 0.5  # silence between two phrases that are rendered on their own
_BEFORE_FRAMES, _AFTER_FRAMES = 25, 25
_GLIDE_S, _TIE_S, _TIE_DIP_DB = 0.05, 0.06, 2.0
_FASTEST_ATTACK = 4.0  # times the training's, for notes that are shorter than their attack
_RESTRIKE_FRAMES = 10
_MODULATION_CENTS = 50.0
_SMOOTH_FRAMES = 5
_FULL = 127.0
_LOWEST_PITCH, _HIGHEST_PITCH = 12.0, 120.0


@dataclass(frozen=True)
class Phrase:
    """Curves of notes of one voice between two silences; the first frame is `first` of the piece."""

    first: int
    curves: Curves


def phrases(
    notes: Sequence[VoiceNote], controllers: Controllers, card: ModelCard, ring_samples: int = 0
) -> Iterator[Phrase]:
    """Yields the phrases of a voice.

    Args:
        notes: Of the voice, in order.
        controllers: Of its channel.
        card: Of the model.
        ring_samples: Length of the model's room, which rings on after a phrase.
    """
    starts = [0, *(i + 1 for i, (a, b) in enumerate(pairwise(notes)) if b.start_s - a.silent_from_s > _APART_S)]
    ring_frames = -(-ring_samples * FRAME_RATE_HZ // SAMPLE_RATE_HZ)
    for start, end in pairwise([*starts, len(notes)]):
        yield _phrase(notes[start:end], controllers, card, ring_frames)


def _phrase(notes: Sequence[VoiceNote], controllers: Controllers, card: ModelCard, ring_frames: int) -> Phrase:
    from components.synths.rendering import Curves

    first = _frame(notes[0].start_s) - _BEFORE_FRAMES
    count = _frame(notes[-1].silent_from_s) - first + _AFTER_FRAMES + ring_frames
    seconds = (first + np.arange(count)) / FRAME_RATE_HZ
    semitones, loudness = np.zeros(count), np.full(count, FLOOR_DB)
    sounding = np.zeros(count, bool)
    ends = [_frame(note.start_s) - first + _RESTRIKE_FRAMES for note in notes[1:]]
    for note, end in zip(notes, [*ends, count], strict=True):
        _write(note, first, semitones[:end], loudness[:end], sounding[:end])
    semitones[: _frame(notes[0].start_s) - ONSET_FRAMES - first] = notes[0].pitch
    semitones += _smoothed(controllers.bend, seconds, 0.0)
    depth = _smoothed(controllers.modulation, seconds, 0.0) / _FULL * _MODULATION_CENTS / 100
    semitones += depth * np.sin(2 * np.pi * VIBRATO_HZ * seconds)
    softer = level_db(_smoothed(controllers.expression, seconds, _FULL))
    # Below what the model knows, the sound itself is made softer.
    lowest = np.minimum(_softest_db(card), loudness)
    asked = np.maximum(loudness + softer, lowest)
    gain = gate(sounding) * 10 ** (np.minimum(loudness + softer - asked, 0.0) / 20)
    f0_hz = 440.0 * 2.0 ** ((np.clip(semitones, _LOWEST_PITCH, _HIGHEST_PITCH) - 69.0) / 12.0)
    return Phrase(
        first,
        Curves(*(np.asarray(each, np.float32) for each in (f0_hz, np.maximum(asked, FLOOR_DB), gain))),
    )


def level_db(value: Array) -> Array:
    """Returns the level of a controller's value, 0..127, as General MIDI defines it: 40 log10(value / 127) dB."""
    return np.asarray(40.0 * np.log10(np.maximum(value, 0.5) / _FULL))


def controller(steps: Steps, seconds: Array, default: float) -> Array:
    """Returns a controller's value at times; `default` before its first event."""
    if not len(steps):
        return np.full(len(seconds), default)
    times, values = np.asarray(steps).T
    return np.asarray(np.append(default, values)[np.searchsorted(times, seconds, side="right")])


def _smoothed(steps: Steps, seconds: Array, default: float) -> Array:
    values = controller(steps, seconds, default)
    if not len(steps):
        return values
    padded = np.pad(values, _SMOOTH_FRAMES // 2, mode="edge")
    return np.convolve(padded, np.full(_SMOOTH_FRAMES, 1 / _SMOOTH_FRAMES), "valid")


def _softest_db(card: ModelCard) -> float:
    """Returns the softest sound that the model was trained on."""
    if card.loudness_db is None:
        return FLOOR_DB
    return card.loudness_db.quantiles[0] if card.loudness_db.quantiles else card.loudness_db.p5


def _frame(seconds: float) -> int:
    return round(seconds * FRAME_RATE_HZ)


def _write(note: VoiceNote, first: int, semitones: Array, loudness: Array, sounding: NDArray[np.bool_]) -> None:
    """Writes a note into the curves of its phrase, which end where the next note has begun."""
    onset, end = _frame(note.start_s) - first, _frame(note.end_s) - first
    start = onset if note.legato else onset - ONSET_FRAMES
    end = max(end, onset + 1)
    silent = min(len(loudness), max(end + 1, _frame(note.silent_from_s) - first))
    played = np.arange(end - start + 1) / FRAME_RATE_HZ
    curve = _tied(note, played, loudness[start]) if note.legato else _struck(note, played, loudness[start:])
    falling = curve[-1] + note.shape.release_db(np.arange(silent - end) / FRAME_RATE_HZ)
    loudness[start:] = FLOOR_DB
    loudness[start : end + 1] = curve
    loudness[end:silent] = falling
    sounding[start:silent] = True
    pitch = note.pitch + note.shape.cents(np.arange(len(semitones) - start) / FRAME_RATE_HZ) / 100
    if note.legato:
        glide = 0.5 - 0.5 * np.cos(np.pi * np.clip(np.arange(len(pitch)) / (_GLIDE_S * FRAME_RATE_HZ), 0, 1))
        pitch = semitones[max(0, start - 1)] + glide * (pitch - semitones[max(0, start - 1)])
    semitones[start:] = pitch


def _struck(note: VoiceNote, seconds: Array, before_db: Array) -> Array:
    """Returns the loudness of a note with its attack; a short note has a quick one."""
    quicker = np.clip(note.shape.attack_s / max(float(seconds[-1]), 1e-3), 1.0, _FASTEST_ATTACK)
    curve = note.shape.loudness_db(seconds * quicker)
    overlap = min(_RESTRIKE_FRAMES, len(curve), len(before_db))
    curve[:overlap] = np.maximum(curve[:overlap], before_db[:overlap])
    return curve


def _tied(note: VoiceNote, seconds: Array, before_db: float) -> Array:
    """Returns the loudness of a note that begins where the one before ends, without an attack of its own."""
    share = np.clip(seconds / _TIE_S, 0.0, 1.0)
    own = note.shape.loudness_db(seconds + note.shape.attack_s)
    return np.asarray(before_db + share * (own - before_db) - _TIE_DIP_DB * np.sin(np.pi * share) ** 2)
