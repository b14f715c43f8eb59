"""The scores of notes and models in evaluation.json: what each number means, and how the file holds it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any, get_type_hints

from components.core.fields import Fields

LABEL_WRONG = "label wrong"
"""The pitch of the record is not the recording's: the model was asked for a wrong pitch."""
PLAYED_WRONG = "played wrong"
"""The resynthesis is not at the pitch that the model was asked for."""
PITCH_FINDINGS = ("", LABEL_WRONG, PLAYED_WRONG)
SCORE_LIMITS = (-1e9, 1e9)
"""Lowest and highest score in a file: those of the gate's limits (config.gate)."""
_MEDIANS = ("spectral_loss", "log_mel_distance_db", "mfcc_distance", "loudness_error_db", "level_bias_db")
_MEDIANS_OF_PITCH = ("pitch_error_cents",)
_SHARES = ("pitch_within_share", "pitch_heard_share")
_DECIMALS = 4  # finer than anybody hears, coarser than the last bits of a sum


@dataclass(frozen=True)
class Numbers:
    """The scores of one note: distances of the resynthesis from the recording. None where a score does not apply.

    The pitch of the recording and of the resynthesis is tracked anew, by two methods where they disagree: the pitch of
    the record is what the model was asked for, and may be wrong.

    Attributes:
        spectral_loss: ddsp's multi-scale spectral loss, the training's own.
        log_mel_distance_db: Mean absolute difference of the log-mel spectrograms, in dB.
        mfcc_distance: Mean distance of the mel-frequency cepstral coefficients from 1 on: of the spectrum's shape.
        pitch_error_cents: Median distance of the pitch of the resynthesis from the pitch of the recording, in cents.
        pitch_heard_share: Share of the recording's pitched frames in which the resynthesis has a pitch, 0..1.
        loudness_error_db: Mean absolute loudness error over the sounding frames, in dB.
        noise_balance_db: Median harmonic-to-noise ratio of the resynthesis minus that of the note: above 0 it has less
            noise, below 0 more.
        silence_level_db: Level of the resynthesis where the note is silent, in dB of full scale; -120 is perfect.
        clipped_share: Share of the samples beyond full scale.
        pitch_within_share: Share of the recording's pitched frames in which the resynthesis is within 50 cents; 1 is
            best. None in files of schema 3, as the following.
        played_error_cents: Median distance of the pitch of the resynthesis from the pitch asked for, in cents.
        label_error_cents: Median distance of the pitch of the record from the pitch of the recording, in cents.
        level_bias_db: Mean loudness error with its sign, in dB: below 0 the resynthesis is too quiet.
    """

    spectral_loss: float
    log_mel_distance_db: float
    mfcc_distance: float
    pitch_error_cents: float | None
    pitch_heard_share: float | None
    loudness_error_db: float
    noise_balance_db: float | None
    silence_level_db: float | None
    clipped_share: float
    pitch_within_share: float | None = None
    played_error_cents: float | None = None
    label_error_cents: float | None = None
    level_bias_db: float | None = None


@dataclass(frozen=True)
class NoteNumbers:
    """One held-out note.

    Attributes:
        id: The note's id.
        pitch: MIDI pitch.
        velocity: MIDI velocity, 0..127.
        numbers: Its scores.
        pitch_finding: One of PITCH_FINDINGS; "" where nothing is wrong, or in files of schema 3.
    """

    id: str
    pitch: int
    velocity: int
    numbers: Numbers
    pitch_finding: str = ""


@dataclass(frozen=True)
class Steady:
    """What a model makes of steady curves of pitch and loudness: faults that no recording is needed for.

    Attributes:
        aliasing_db: Power of the tone beside its partials, relative to the tone, at the worst pitch; -120 is perfect.
        aliasing_pitch: That pitch, MIDI.
        wobble_db: Range of the level of a steady note once it has settled, at the worst pitch.
        wobble_pitch: That pitch, MIDI.
        silence_db: Level of the sound where the loudness is that of silence, in dB of full scale; -120 is perfect.
    """

    aliasing_db: float
    aliasing_pitch: int
    wobble_db: float
    wobble_pitch: int
    silence_db: float


@dataclass(frozen=True)
class Summary:
    """One number over all held-out notes that have it; `low` and `high` are the 95 % interval of the mean."""

    mean: float
    median: float
    p95: float
    low: float
    high: float


@dataclass(frozen=True)
class Group:
    """Some of the notes, and the mean of every number over them."""

    notes: int
    means: dict[str, float]


def rounded(value: float) -> float:
    """Returns a number as evaluation.json holds it."""
    return round(float(value), _DECIMALS)


def gate_values(notes: Sequence[NoteNumbers], steady: Steady | None) -> dict[str, float]:
    """Returns what the promotion gate judges, by name (see config.gate).

    Errors are medians over the notes, which a slip of a pitch tracker on one note does not move; shares are means, to
    which one note adds its part at most. Notes with a wrong label say nothing about the pitch of a model.
    """
    found = dict[str, float]()
    right = [note for note in notes if note.pitch_finding != LABEL_WRONG]
    for some, names, middle in ((notes, _MEDIANS, median), (right, _MEDIANS_OF_PITCH, median), (right, _SHARES, mean)):
        for name in names:
            given = [getattr(note.numbers, name) for note in some]
            values = [value for value in given if value is not None and math.isfinite(value)]
            if values:
                found[name] = rounded(middle(values))
    if notes:
        found["label_wrong_share"] = rounded(1.0 - len(right) / len(notes))
    if steady:
        found |= {"aliasing_db": steady.aliasing_db, "wobble_db": steady.wobble_db, "silence_db": steady.silence_db}
    return found


_HINTS = get_type_hints(Numbers)
_OF_EVERY_NOTE = tuple(name for name, kind in _HINTS.items() if kind is float)
_NAME = "[a-z][a-z0-9_]{0,63}"  # MLflow's pages show the names of scores


def parse_note(fields: Fields, identity: dict[str, Any]) -> NoteNumbers:
    """Reads a note's scores; `identity` has its id, pitch and velocity."""
    given, values = fields.required("numbers"), dict[str, Any]()
    for name in _HINTS:
        # A score that does not apply is null.
        values[name] = _score(given, name) if name in _OF_EVERY_NOTE else given.finite(name, *SCORE_LIMITS)
    finding = fields.one_of("pitch_finding", PITCH_FINDINGS) if fields.values.get("pitch_finding") else ""
    return NoteNumbers(**identity, numbers=Numbers(**values), pitch_finding=finding)


def parse_steady(fields: Fields | None) -> Steady | None:
    """Reads the scores of steady curves; None where the file has none."""
    if fields is None:
        return None
    return Steady(
        aliasing_db=_score(fields, "aliasing_db"),
        aliasing_pitch=fields.whole("aliasing_pitch", low=0, high=127),
        wobble_db=_score(fields, "wobble_db"),
        wobble_pitch=fields.whole("wobble_pitch", low=0, high=127),
        silence_db=_score(fields, "silence_db"),
    )


def parse_summary(fields: Fields) -> dict[str, Summary]:
    """Reads the summary by score; it has all scores that every note has."""
    names = dict.fromkeys([*_OF_EVERY_NOTE, *fields.names(_NAME)])
    return {name: _summary(fields.required(name)) for name in names}


def parse_groups(fields: Fields) -> dict[str, dict[str, Group]]:
    """Reads the groups of notes by what divides them; the means of each have all scores that every note has."""
    return {by: _groups(fields.required(by)) for by in fields.names(_NAME)}


def _summary(fields: Fields) -> Summary:
    return Summary(*(_score(fields, name) for name in ("mean", "median", "p95", "low", "high")))


def _groups(fields: Fields) -> dict[str, Group]:
    return {name: _group(fields.required(name)) for name in fields.names(_NAME)}


def _group(fields: Fields) -> Group:
    means = fields.required("means")
    names = dict.fromkeys([*_OF_EVERY_NOTE, *means.names(_NAME)])
    return Group(fields.whole("notes", low=1), {name: _score(means, name) for name in names})


def _score(fields: Fields, name: str) -> float:
    value = fields.number(name)
    return value if math.isnan(value) else fields.number(name, None, *SCORE_LIMITS)  # a silent note has no level
