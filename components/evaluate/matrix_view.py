"""The transfer matrix of the report: a held-out note of every family, resynthesised by every model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from components.artifacts import listening
from components.artifacts.evaluation import Transfer
from components.audio.f0 import note_name
from components.core.text import counted
from components.evaluate.clip_view import ORIGINAL, Array, Clip, Sound, clips
from components.evaluate.note_view import pitch_distance
from components.evaluate.training_view import TrainingView
from components.nsynth.families import FAMILIES
from components.nsynth.note import NOTE_SECONDS, SAMPLE_RATE_HZ

_PICTURE_SIZE = (160, 72)
_FADE_S = 0.05
_PITCHED_SHARE = 0.9  # a lower share of frames with a detected pitch is shown


@dataclass(frozen=True)
class MatrixCell:
    """A note resynthesised by the model of a family and synth: the clip and some facts, or why it is missing.

    `own` is true where the note is of the model's family.
    """

    family: str
    synth: str
    own: bool
    clip: Clip | None = None
    facts: tuple[str, ...] = ()
    missing: str = ""


@dataclass(frozen=True)
class MatrixRow:
    """A note, its original, and a cell for each model."""

    family: str
    title: str
    id: str
    original: Clip
    cells: list[MatrixCell]


@dataclass(frozen=True)
class Matrix:
    """The whole table. `families` are those of the models, each with its number of columns; clips last `seconds`."""

    families: list[tuple[str, int]]
    synths: list[str]
    rows: list[MatrixRow]
    seconds: float


def matrix(trainings: Sequence[TrainingView], seconds: float = NOTE_SECONDS) -> Matrix | None:
    """Returns the matrix of some models; None where none has resynthesised a note of another family.

    Args:
        trainings: The columns, family by family.
        seconds: Length of the clips.
    """
    trainings = [training for training in trainings if training.evaluation]
    if not any(set(training.transfers()) - {training.family} for training in trainings):
        return None
    families = [(family, len(list(some))) for family, some in groupby(trainings, lambda each: each.family)]
    in_order = dict.fromkeys(
        [*(family for family, _ in families), *FAMILIES]
    )  # notes of the models' own families are on the diagonal
    return Matrix(
        families=families,
        synths=[training.synth for training in trainings],
        rows=[
            _row(family, trainings, seconds)
            for family in in_order
            if any(family in training.transfers() for training in trainings)
        ],
        seconds=seconds,
    )


def _row(family: str, trainings: Sequence[TrainingView], seconds: float) -> MatrixRow:
    played = {id(each): each.transfers()[family] for each in trainings if family in each.transfers()}
    first = next(each for each in trainings if id(each) in played)
    note = played[id(first)]
    title = note_name(note.pitch)
    sounds = [Sound(ORIGINAL, f"{family} note {title}, recording", _audio(first, note, ORIGINAL, seconds), ORIGINAL)]
    for training in trainings:
        if id(training) in played and played[id(training)].id == note.id:
            words = f"{family} note {title}, played by {training.family} {training.synth}"
            audio = _audio(training, played[id(training)], "resynthesis", seconds)
            sounds.append(Sound(words, words, audio, training.synth))
    made = {clip.name: clip for clip in clips(sounds, _PICTURE_SIZE)}
    cells = [_cell(note, training, made) for training in trainings]
    return MatrixRow(family, title, note.id, made[sounds[0].name], cells)


def _cell(note: Transfer, training: TrainingView, made: Mapping[str, Clip]) -> MatrixCell:
    model = (training.family, training.synth, training.family == note.family)
    transfer = training.transfers().get(note.family)
    if transfer is None or transfer.id != note.id:
        return MatrixCell(*model, missing="not resynthesised" if transfer is None else "evaluated on another note")
    words = f"{note.family} note {note_name(note.pitch)}, played by {training.family} {training.synth}"
    return MatrixCell(*model, made[words], _facts(transfer))


def _facts(transfer: Transfer) -> tuple[str, ...]:
    """Returns the pitch error, and by how many octaves the note was moved."""
    cents, share, octaves = transfer.pitch_error_cents, transfer.pitch_heard_share, transfer.octaves
    facts = ["no pitch detected" if cents is None else f"pitch error {pitch_distance(cents)}"]
    if cents is not None and share is not None and share < _PITCHED_SHARE:
        facts.append(f"pitch detected in {100 * share:.0f} %")
    if octaves:
        facts.append(f"{counted(abs(octaves), 'octave')} {'up' if octaves > 0 else 'down'}")
    return tuple(facts)


def _audio(training: TrainingView, note: Transfer, kind: str, seconds: float) -> Array:
    audio = listening.read_audio(training.uri, note.clips[kind])
    if len(audio) > seconds * SAMPLE_RATE_HZ:
        audio = audio[: round(seconds * SAMPLE_RATE_HZ)]
        fade = round(_FADE_S * SAMPLE_RATE_HZ)
        audio[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return audio
