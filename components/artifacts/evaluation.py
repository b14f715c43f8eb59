"""The evaluation of a model, evaluation.json: scores and names of clips. Written last: it commits the clips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from components import storage
from components.artifacts.clips import CLIP_SUFFIX, KINDS, KeptNotes, Piece
from components.artifacts.model_card import ModelCard
from components.artifacts.scores import (
    SCORE_LIMITS,
    Group,
    NoteNumbers,
    Steady,
    Summary,
    gate_values,
    parse_groups,
    parse_note,
    parse_steady,
    parse_summary,
)
from components.artifacts.training_dir import TrainingDir
from components.core.errors import InputError
from components.core.fields import Fields
from components.core.fingerprint import content_fingerprint
from components.core.text import counted
from components.core.versions import EVALUATION_VERSION, TRAINING_VERSION
from components.nsynth.families import FAMILIES
from components.nsynth.manifest import SPLITS
from components.nsynth.note import Note

SCHEMA_VERSION = 4
_READABLE = (3, SCHEMA_VERSION)  # schema 3 has fewer numbers


@dataclass(frozen=True)
class ListeningSample:
    """A listening sample of a note: clips and controls, as file names in LISTENING_DIR.

    Attributes:
        id: The note's id.
        family: The note's family.
        pitch: MIDI pitch.
        velocity: MIDI velocity, 0..127.
        clips: FLAC files: "original", "resynthesis", "noise" (its noise part alone).
        controls: The npz file with the model's inputs and outputs (see listening.Controls).
    """

    id: str
    family: str
    pitch: int
    velocity: int
    clips: dict[str, str]
    controls: str


@dataclass(frozen=True)
class Transfer:
    """A held-out note of any family, resynthesised by the model: a cell of the transfer matrix.

    Attributes:
        id: The note's id.
        family: The note's family; the model's own in one of them.
        pitch: MIDI pitch.
        velocity: MIDI velocity, 0..127.
        octaves: By how many octaves the pitch was moved before the resynthesis.
        pitch_error_cents: Median distance from the pitch after the move; None where no pitch is detected.
        pitch_heard_share: Share of the pitched frames in which the tracker detects a pitch; None if there are none.
        clips: FLAC files in LISTENING_DIR: "original", "resynthesis".
    """

    id: str
    family: str
    pitch: int
    velocity: int
    octaves: int
    pitch_error_cents: float | None
    pitch_heard_share: float | None
    clips: dict[str, str]


@dataclass(frozen=True)
class Evaluation:
    """Everything in evaluation.json.

    Attributes:
        model: The model's card.
        split: The split that the notes are from: "test", or "valid" where the set has no test notes of the family.
        data_fingerprint: That split's fingerprint.
        notes_fingerprint: What identifies the held-out notes: equal for equal notes, whatever the set around them.
        notes: The held-out notes, in the set's order.
        summary: Mean with its interval, median and 95th percentile of every field of Numbers.
        groups: The notes by "register" ("low", ...) and by "velocity" ("soft", ...); see breakdown.
        worst: Listening samples of the notes with the highest spectral loss, the highest first.
        samples: Listening samples of held-out notes, low to high; "heard" in the file.
        transfers: A note of every family with held-out notes, its own family included.
        pieces: Longer clips; none in older files.
        kept: Clips of the held-out notes; None in older files.
        steady: The scores of steady curves; None in files of schema 3.
        train_notes: How many notes the model's family has for training; None where the file does not say.
        schema_version: Of this file.
        evaluation_version: See core.versions; files from before this field are of version 1.
    """

    model: ModelCard
    split: str
    data_fingerprint: str
    notes_fingerprint: str
    notes: list[NoteNumbers]
    summary: dict[str, Summary]
    groups: dict[str, dict[str, Group]]
    worst: list[ListeningSample]
    samples: list[ListeningSample]
    transfers: list[Transfer]
    pieces: list[Piece] = field(default_factory=list)
    kept: KeptNotes | None = None
    steady: Steady | None = None
    train_notes: int | None = None
    schema_version: int = field(default=SCHEMA_VERSION)
    evaluation_version: int = EVALUATION_VERSION

    @property
    def family(self) -> str:
        return self.model.family

    @property
    def synth(self) -> str:
        return self.model.synth

    def means(self) -> dict[str, float]:
        """Returns the means over the held-out notes, by name."""
        return {name: found.mean for name, found in self.summary.items()}

    def gate_values(self) -> dict[str, float]:
        """Returns what the promotion gate judges, by name; see scores.gate_values."""
        return gate_values(self.notes, self.steady)

    def text(self) -> str:
        """Returns one line for a person."""
        means = self.means()
        pitch = f", pitch {means['pitch_error_cents']:.0f} cents" if "pitch_error_cents" in means else ""
        # Silent notes have no level.
        level = f", loudness {means['loudness_error_db']:.1f} dB" if math.isfinite(means["loudness_error_db"]) else ""
        count = counted(len(self.notes), f"{self.split} note")
        return f"{count}: spectral loss {means['spectral_loss']:.2f}{level}{pitch}"


def notes_fingerprint(notes: Sequence[Note]) -> str:
    """Returns what identifies notes: their ids and their sound."""
    return content_fingerprint(note.id.encode() + b"\0" + np.ascontiguousarray(note.audio).tobytes() for note in notes)


def write(evaluation: Evaluation, out_uri: str) -> str:
    """Writes evaluation.json to the directory `out_uri` and returns its URI."""
    uri = TrainingDir(out_uri).evaluation_uri
    values = asdict(evaluation) | {"model": evaluation.model.as_dict()}
    storage.write_json(uri, values | {"heard": values.pop("samples")})
    return uri


def read(training_uri: str) -> Evaluation | None:
    """Returns a training's evaluation; None where it has none. InputError for another schema, or a damaged file."""
    uri = TrainingDir(training_uri).evaluation_uri
    if not storage.exists(uri):
        return None
    values = storage.read_json(uri)
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version not in _READABLE:
        expected = " or ".join(map(str, _READABLE))
        raise InputError(f"'{uri}' is not an evaluation of schema {expected} (got {str(version)[:20]}); evaluate again")
    try:
        return _parse(Fields(values, uri, "an evaluation"), uri)
    except InputError as error:
        raise InputError(f"{error}; evaluate again") from error


def is_current(training_uri: str) -> bool:
    """Tells whether a training has an evaluation of this EVALUATION_VERSION that can be read."""
    try:
        found = read(training_uri)
    except InputError:
        return False
    return found is not None and found.evaluation_version == EVALUATION_VERSION


def is_trained_and_evaluated(training: TrainingDir) -> bool:
    """Tells whether a training has finished and is evaluated, by the versions of this code."""
    try:
        record = training.finished_record()
    except InputError:
        return False  # a damaged file, which the next training names
    return record is not None and record.training_version == TRAINING_VERSION and is_current(training.uri)


def _parse(fields: Fields, uri: str) -> Evaluation:
    found = Evaluation(
        model=ModelCard.parse(fields.required("model").values, uri),
        split=fields.one_of("split", SPLITS),
        data_fingerprint=fields.name("data_fingerprint"),
        notes_fingerprint=fields.name("notes_fingerprint"),
        notes=fields.each("notes", lambda note: parse_note(note, _identity(note))),
        summary=parse_summary(fields.required("summary")),
        groups=parse_groups(fields.required("groups")),
        worst=fields.each("worst", _sample),
        samples=fields.each("heard", _sample),
        transfers=fields.each("transfers", _transfer),
        pieces=fields.each("pieces", Piece.of) if "pieces" in fields.values else [],
        kept=KeptNotes.of(fields.required("kept")) if fields.values.get("kept") is not None else None,
        steady=parse_steady(fields.object("steady")),
        train_notes=fields.whole("train_notes", 0, low=0) or None,
        schema_version=fields.whole("schema_version", low=0),
        evaluation_version=fields.whole("evaluation_version", 1, low=0),
    )
    if not found.notes:
        raise fields.wrong("notes", "one or more")
    if missing := {sample.id for sample in found.worst} - {note.id for note in found.notes}:
        raise fields.wrong("worst", f"samples of the notes; {min(missing)[:80]!r} is none of them")
    return found


def _identity(fields: Fields) -> dict[str, Any]:
    return {
        "id": fields.text("id"),
        "pitch": fields.whole("pitch", low=0, high=127),
        "velocity": fields.whole("velocity", low=0, high=127),
    }


def _sample(fields: Fields) -> ListeningSample:
    return ListeningSample(
        **_identity(fields),
        family=fields.one_of("family", FAMILIES),
        clips=fields.file_names("clips", CLIP_SUFFIX, (*KINDS, "noise")),
        controls=fields.file_name("controls", ".npz"),
    )


def _transfer(fields: Fields) -> Transfer:
    return Transfer(
        **_identity(fields),
        family=fields.one_of("family", FAMILIES),
        octaves=fields.whole("octaves", low=-20, high=20),
        pitch_error_cents=fields.finite("pitch_error_cents", *SCORE_LIMITS),
        pitch_heard_share=fields.finite("pitch_heard_share", *SCORE_LIMITS),
        clips=fields.file_names("clips", CLIP_SUFFIX, KINDS),
    )
