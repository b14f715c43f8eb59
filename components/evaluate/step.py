"""Evaluates one model: how it plays held-out notes of its family and one of another, by number and by ear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.errors import InputError, StepError
from components.evaluate import choose, evaluation, listening, metrics
from components.evaluate.evaluation import Evaluation, Heard, NoteNumbers, Numbers, rounded
from components.nsynth.families import check_family
from components.nsynth.note import NOTE_FRAMES, Note
from components.nsynth.sorted_set import SortedSet
from components.telemetry import progress

if TYPE_CHECKING:
    from swift_f0 import SwiftF0

    from components.synths.instrument import Instrument

Array = NDArray[np.floating[Any]]

MOST_NOTES = 64
NOTES_TO_HEAR = 2
_BATCH_NOTES = 4


@dataclass(frozen=True)
class EvaluateResult:
    """What an evaluation left behind."""

    evaluation: Evaluation
    evaluation_uri: str
    report_uri: str

    def metrics(self) -> dict[str, float]:
        """Returns the means over the held-out notes, by name."""
        return {name: summary.mean for name, summary in self.evaluation.summary.items()}

    def text(self) -> str:
        """Returns one line for a person."""
        means = self.metrics()
        pitch = f", pitch {means['pitch_error_cents']:.0f} cents" if "pitch_error_cents" in means else ""
        return (
            f"{len(self.evaluation.notes)} {self.evaluation.split} notes: spectral loss {means['spectral_loss']:.2f}, "
            f"loudness {means['loudness_error_db']:.1f} dB{pitch}"
        )


@dataclass(frozen=True)
class _Played:
    """A note, what the model was told about it and what it made of it; `controls` has no batch dimension."""

    note: Note
    octaves: int
    loudness_db: Array
    audio: Array
    noise: Array
    heard_hz: Array
    heard_db: Array
    controls: dict[str, Array]

    def voiced(self) -> NDArray[np.bool_]:
        """Returns where the note sounds and its pitch is to be trusted, bool[frames]."""
        pitched = (self.note.f0_confidence >= metrics.VOICED_CONFIDENCE) & (self.note.f0_hz > 0)
        mask: NDArray[np.bool_] = pitched & metrics.sounding(self.loudness_db)
        return mask

    def to_keep(self) -> listening.Controls:
        tone = next(name for name in ("harmonic_distribution", "frequencies", "wavetables") if name in self.controls)
        return listening.Controls(
            f0_hz=np.where(self.voiced(), self.note.f0_hz * 2.0**self.octaves, 0.0),
            heard_hz=self.heard_hz,
            loudness_db=self.loudness_db,
            heard_db=self.heard_db,
            amplitudes=self.controls["amplitudes"],
            tone=self.controls[tone],
            noise_magnitudes=self.controls["noise_magnitudes"],
        )


def evaluate(
    model_uri: str,
    data_uri: str,
    out_uri: str,
    max_notes: int = MOST_NOTES,
    transfer_family: str | None = None,
    others_uri: str | None = None,
) -> EvaluateResult:
    """Evaluates a model. The same model and data give the same numbers and clips.

    Args:
        model_uri: A model directory, or the training directory that holds it.
        data_uri: The root of a sorted set with a test or valid split.
        out_uri: Where evaluation.json, report.html and listening/ go: by custom the training directory.
        max_notes: At most so many held-out notes, spread evenly over the split.
        transfer_family: Where the note of another family is from; None chooses.
        others_uri: A sorted set with other families, where `data_uri` has one alone.

    Raises:
        InputError: No model, no sorted set, no held-out notes of the model's family (or of `transfer_family`).
        StepError: The model's training diverged: it plays no sound.
    """
    from components.synths.instrument import Instrument

    if max_notes < 1:
        raise InputError(f"cannot evaluate on {max_notes} notes: expected 1 or more")
    data = SortedSet.open(data_uri)
    instrument = Instrument.load(model_uri)
    family = instrument.info["family"]
    split, notes = choose.held_out_notes(data, family, max_notes)
    others = SortedSet.open(others_uri) if others_uri else data
    other = choose.transfer_note(others, family, check_family(transfer_family) if transfer_family else None)
    storage.delete(storage.join(out_uri, evaluation.EVALUATION_NAME))
    played = _play_all(instrument, [*notes, *([other] if other else [])])
    numbers = [_note_numbers(each) for each in played[: len(notes)]]
    found = Evaluation(
        model=instrument.info,
        split=split,
        data_fingerprint=data.fingerprint(split),
        notes_fingerprint=evaluation.notes_fingerprint(notes),
        notes=numbers,
        summary=evaluation.summarise(numbers),
        heard=[_keep(out_uri, played[place]) for place in choose.to_hear(notes, NOTES_TO_HEAR)],
        transfer=_keep(out_uri, played[-1], prefix="transfer-") if other else None,
    )
    return _finish(found, out_uri, model_uri)


def hear(instrument: Instrument, notes: list[Note]) -> list[NoteNumbers]:
    """Lets a model play notes of its family and returns the numbers alone."""
    return [_note_numbers(played) for played in _play_all(instrument, notes)]


def _note_numbers(played: _Played) -> NoteNumbers:
    return NoteNumbers(played.note.id, played.note.pitch, played.note.velocity, _numbers(played))


def _finish(found: Evaluation, out_uri: str, model_uri: str) -> EvaluateResult:
    """Writes the report, then evaluation.json, which commits the rest."""
    from components.evaluate.report import write_report
    from components.evaluate.training import Training

    # The run's own files are beside the model where --out is elsewhere.
    run_uri = model_uri if storage.exists(storage.join(model_uri, "run.json")) else out_uri
    report_uri = write_report([Training.of(found, out_uri, run_uri)], out_uri)
    return EvaluateResult(found, evaluation.write(found, out_uri), report_uri)


def _play_all(instrument: Instrument, notes: list[Note]) -> list[_Played]:
    """Lets the model play notes, a batch at a time; those of another family are moved into its range."""
    from swift_f0 import SwiftF0

    tracker = SwiftF0()
    octaves = [0 if note.family == instrument.info["family"] else _octaves(note, instrument) for note in notes]
    played: list[_Played] = []
    name = f"{instrument.info['family']}-{instrument.info['synth']}"
    with progress.bar(f"evaluate {name}", total=len(notes), unit="notes") as bar:
        for start in range(0, len(notes), _BATCH_NOTES):
            batch = slice(start, start + _BATCH_NOTES)
            played += _play(instrument, tracker, notes[batch], octaves[batch])
            bar.advance(len(notes[batch]))
    return played


def _octaves(note: Note, instrument: Instrument) -> int:
    heard_hz = instrument.info["f0_hz"]
    return choose.octaves_to_fit(note, heard_hz["p5"], heard_hz["p95"])


def _play(instrument: Instrument, tracker: SwiftF0, notes: list[Note], octaves: list[int]) -> list[_Played]:
    from components.synths.features import loudness_db

    f0_hz = np.stack([note.f0_hz * 2.0**shift for note, shift in zip(notes, octaves, strict=True)])
    asked_db = np.asarray(loudness_db(np.stack([note.audio for note in notes])))
    out = instrument.play(f0_hz.astype(np.float32), asked_db)
    if not np.isfinite(out["audio"]).all():
        raise StepError(
            f"the {instrument.info['family']} model plays no numbers (NaN): its training diverged; "
            "try again with a lower train.learning_rate"
        )
    heard_db = np.asarray(loudness_db(out["audio"]))
    return [
        _Played(
            note=note,
            octaves=octaves[row],
            loudness_db=asked_db[row],
            audio=out["audio"][row],
            noise=out["noise"][row],
            heard_hz=metrics.track_pitch_hz(out["audio"][row], tracker, NOTE_FRAMES),
            heard_db=heard_db[row],
            controls={name: values[row] for name, values in out["controls"].items()},
        )
        for row, note in enumerate(notes)
    ]


def _numbers(played: _Played) -> Numbers:
    from components.synths.losses import spectral_loss

    note = played.note
    voiced = played.voiced()
    cents = metrics.pitch_error_cents(note.f0_hz, played.heard_hz, voiced)
    return Numbers(
        spectral_loss=rounded(spectral_loss(played.audio[None], note.audio[None])[0]),
        log_mel_distance_db=rounded(metrics.log_mel_distance_db(note.audio, played.audio)),
        pitch_error_cents=rounded(float(np.median(cents))) if len(cents) else None,
        pitch_error_mean_cents=rounded(float(np.mean(cents))) if len(cents) else None,
        pitch_heard_share=rounded(len(cents) / voiced.sum()) if voiced.any() else None,
        loudness_error_db=rounded(metrics.loudness_error_db(played.loudness_db, played.heard_db)),
    )


def _keep(out_uri: str, played: _Played, prefix: str = "") -> Heard:
    clips = {"resynthesis": played.audio, "noise": played.noise}
    return listening.keep(out_uri, played.note, clips, played.to_keep(), played.octaves, prefix)
