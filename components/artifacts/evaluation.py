"""What an evaluation found: evaluation.json, written last: it says that the files it names are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from components import storage
from components.artifacts.model_card import ModelCard
from components.artifacts.training_dir import TrainingDir
from components.core.errors import InputError
from components.core.fingerprint import content_fingerprint
from components.nsynth.note import Note

SCHEMA_VERSION = 3
_DECIMALS = 4  # finer than anybody hears, coarser than the last bits of a sum


@dataclass(frozen=True)
class Numbers:
    """How far the resynthesis of one note is from it; 0 is a perfect one. None: there is nothing of that to compare.

    Attributes:
        spectral_loss: ddsp's multi-scale spectral loss, the training's own.
        log_mel_distance_db: Mean absolute difference of the log-mel spectrograms, in dB.
        mfcc_distance: Mean distance of the mel-frequency cepstral coefficients 1 to 13: of the spectrum's shape.
        pitch_error_cents: Median absolute pitch error, in cents.
        pitch_error_mean_cents: The mean of the same: a few octave slips of tracker or model show here alone.
        pitch_heard_share: Share of the pitched frames in which the tracker hears any pitch, 0..1; 1 is best.
        loudness_error_db: Mean absolute loudness error over the sounding frames, in dB.
        noise_balance_db: Median of the result's harmonic-to-noise ratio minus the note's: above 0 it sounds cleaner,
            below 0 noisier.
        silence_level_db: Level of the result where the note is silent, in dB of full scale; -120 is perfect.
        clipped_share: Share of the samples beyond full scale.
    """

    spectral_loss: float
    log_mel_distance_db: float
    mfcc_distance: float
    pitch_error_cents: float | None
    pitch_error_mean_cents: float | None
    pitch_heard_share: float | None
    loudness_error_db: float
    noise_balance_db: float | None
    silence_level_db: float | None
    clipped_share: float


@dataclass(frozen=True)
class NoteNumbers:
    """One held-out note. `pitch` is MIDI, `velocity` 0..127."""

    id: str
    pitch: int
    velocity: int
    numbers: Numbers


@dataclass(frozen=True)
class Heard:
    """A note that was kept for listening: its clips and controls, as names in the folder LISTENING_DIR.

    Attributes:
        id: The note's id.
        family: The note's family.
        pitch: MIDI pitch.
        velocity: MIDI velocity, 0..127.
        clips: FLAC files: "original", "resynthesis", "noise" (its noise part alone).
        controls: The npz file with what the model was told and what it did (see listening.Controls).
    """

    id: str
    family: str
    pitch: int
    velocity: int
    clips: dict[str, str]
    controls: str


@dataclass(frozen=True)
class Transfer:
    """A held-out note of some family as the model plays it: a place in a column of the transfer matrix.

    Attributes:
        id: The note's id.
        family: The note's family; the model's own in one of them.
        pitch: MIDI pitch.
        velocity: MIDI velocity, 0..127.
        octaves: How many octaves the note's pitch was moved before the model played it.
        pitch_error_cents: Median distance from the pitch that was asked for, after the move; None where none is heard.
        pitch_heard_share: Share of the pitched frames in which the tracker hears any pitch; None where none is pitched.
        clips: FLAC files in the folder LISTENING_DIR: "original", "resynthesis".
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
        worst: The notes with the highest spectral loss, kept for listening, the worst first.
        heard: Held-out notes kept for listening, low to high.
        transfers: A note of every family that there are held-out notes of, its own among them, played by the model.
        schema_version: Of this file.
    """

    model: ModelCard
    split: str
    data_fingerprint: str
    notes_fingerprint: str
    notes: list[NoteNumbers]
    summary: dict[str, Summary]
    groups: dict[str, dict[str, Group]]
    worst: list[Heard]
    heard: list[Heard]
    transfers: list[Transfer]
    schema_version: int = field(default=SCHEMA_VERSION)

    @property
    def family(self) -> str:
        return self.model.family

    @property
    def synth(self) -> str:
        return self.model.synth


def notes_fingerprint(notes: Sequence[Note]) -> str:
    """Returns what identifies notes: their ids and their sound."""
    return content_fingerprint(note.id.encode() + b"\0" + np.ascontiguousarray(note.audio).tobytes() for note in notes)


def rounded(value: float) -> float:
    """Returns a number as evaluation.json holds it."""
    return round(float(value), _DECIMALS)


def write(evaluation: Evaluation, out_uri: str) -> str:
    """Writes evaluation.json below `out_uri` and returns its URI."""
    uri = TrainingDir(out_uri).evaluation_uri
    storage.write_json(uri, asdict(evaluation) | {"model": evaluation.model.as_dict()})
    return uri


def read(training_uri: str) -> Evaluation | None:
    """Returns a training's evaluation, or None where none has finished; InputError for another schema."""
    uri = TrainingDir(training_uri).evaluation_uri
    if not storage.exists(uri):
        return None
    values = storage.read_json(uri)
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(f"'{uri}' is not an evaluation of schema {SCHEMA_VERSION} (got {version!r}); evaluate again")
    return Evaluation(
        **{
            **values,
            "model": ModelCard.parse(values.get("model"), uri),
            "notes": [NoteNumbers(**{**note, "numbers": Numbers(**note["numbers"])}) for note in values["notes"]],
            "summary": {name: Summary(**summary) for name, summary in values["summary"].items()},
            "groups": {
                by: {name: Group(**group) for name, group in groups.items()} for by, groups in values["groups"].items()
            },
            "worst": [Heard(**heard) for heard in values["worst"]],
            "heard": [Heard(**heard) for heard in values["heard"]],
            "transfers": [Transfer(**transfer) for transfer in values["transfers"]],
        }
    )
