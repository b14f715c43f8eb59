"""The transfer matrix as the report shows it: a held-out note of every family, played by every model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from components.artifacts import listening
from components.artifacts.evaluation import Transfer
from components.audio import pictures
from components.evaluate.note_view import Clip, note_name, pitch_distance
from components.evaluate.training import Training
from components.nsynth.families import FAMILIES
from components.nsynth.note import NOTE_SECONDS, SAMPLE_RATE_HZ

_PICTURE_SIZE = (160, 72)
_FADE_S = 0.05
_MOSTLY = 0.9  # of a note, in which a pitch is heard


@dataclass(frozen=True)
class MatrixCell:
    """A note as the model of a family and synth plays it: what to hear and a few words, or why there is nothing.

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
    """The whole table. `families` are the models', with their numbers of columns; `seconds` are heard of every note."""

    families: list[tuple[str, int]]
    synths: list[str]
    rows: list[MatrixRow]
    seconds: float


def matrix(trainings: Sequence[Training], seconds: float = NOTE_SECONDS) -> Matrix | None:
    """Returns the matrix of some models; None where none has played a note of another family.

    Args:
        trainings: The columns, family by family.
        seconds: How much of every note to keep on the page.
    """
    trainings = [training for training in trainings if training.evaluation]
    if not any(set(training.transfers()) - {training.family} for training in trainings):
        return None
    families = [(family, len(list(some))) for family, some in groupby(trainings, lambda each: each.family)]
    in_order = dict.fromkeys([*(family for family, _ in families), *FAMILIES])  # so that own notes are a diagonal
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


def _row(family: str, trainings: Sequence[Training], seconds: float) -> MatrixRow:
    first = next(training for training in trainings if family in training.transfers())
    note = first.transfers()[family]
    title = note_name(note.pitch)
    return MatrixRow(
        family=family,
        title=title,
        id=note.id,
        original=_clip(first, note, "original", f"{family} note {title}, original", seconds),
        cells=[_cell(note, training, seconds) for training in trainings],
    )


def _cell(note: Transfer, training: Training, seconds: float) -> MatrixCell:
    model = (training.family, training.synth, training.family == note.family)
    played = training.transfers().get(note.family)
    if played is None or played.id != note.id:
        return MatrixCell(*model, missing="did not play it" if played is None else "played another note")
    words = f"{note.family} note {note_name(note.pitch)}, played by {training.family} {training.synth}"
    return MatrixCell(*model, _clip(training, played, "resynthesis", words, seconds), _facts(played))


def _facts(played: Transfer) -> tuple[str, ...]:
    """Returns how well the pitch was kept, and how far it was moved before that."""
    cents, share, octaves = played.pitch_error_cents, played.pitch_heard_share, played.octaves
    facts = ["no pitch heard" if cents is None else f"{pitch_distance(cents)} off"]
    if cents is not None and share is not None and share < _MOSTLY:
        facts.append(f"heard in {100 * share:.0f} %")
    if octaves:
        facts.append(f"{abs(octaves)} {'octave' if abs(octaves) == 1 else 'octaves'} {'up' if octaves > 0 else 'down'}")
    return tuple(facts)


def _clip(training: Training, note: Transfer, kind: str, words: str, seconds: float) -> Clip:
    flac = listening.read_clip(training.uri, note.clips[kind])
    audio = listening.decode_flac(flac)
    if len(audio) > seconds * SAMPLE_RATE_HZ:
        audio = audio[: round(seconds * SAMPLE_RATE_HZ)]
        fade = round(_FADE_S * SAMPLE_RATE_HZ)
        audio[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
        flac = listening.encode_flac(audio)
    return Clip(words, pictures.data_uri("audio/flac", flac), pictures.spectrogram(audio, _PICTURE_SIZE), words)
