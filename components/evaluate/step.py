"""Evaluates one model: how it plays held-out notes of its family and one of every other, by number and by ear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components import storage
from components.artifacts import evaluation
from components.artifacts.evaluation import Evaluation, NoteNumbers
from components.artifacts.training_dir import TrainingDir
from components.core.errors import InputError
from components.evaluate import breakdown, note_selection, scoring
from components.nsynth.note import Note
from components.nsynth.sorted_set import SortedSet

if TYPE_CHECKING:
    from components.synths.instrument import Instrument

NOTES_TO_HEAR = 2
WORST_TO_HEAR = 10


@dataclass(frozen=True)
class EvaluateResult:
    """What an evaluation left behind.

    Attributes:
        evaluation: What evaluation.json holds.
        evaluation_uri: Where that is.
        report_uri: The report.
        real_time_factor: Seconds of sound evaluated a second: of this machine, so not in evaluation.json.
    """

    evaluation: Evaluation
    evaluation_uri: str
    report_uri: str
    real_time_factor: float

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


def evaluate(
    model_uri: str,
    data_uri: str,
    out_uri: str,
    max_notes: int = 0,
    others_uri: str | None = None,
) -> EvaluateResult:
    """Evaluates a model. The same model and data give the same numbers and clips.

    Args:
        model_uri: A model directory, or the training directory that holds it.
        data_uri: The root of a sorted set with a test or valid split.
        out_uri: Where evaluation.json, report.html and listening/ go: by custom the training directory.
        max_notes: At most so many held-out notes, spread evenly over the split; 0 for all of them.
        others_uri: A sorted set with other families, for those that `data_uri` does not have.

    Raises:
        InputError: No model, no sorted set, no held-out notes of the model's family.
        StepError: The model's training diverged: it plays no sound.
    """
    from components.synths.instrument import Instrument

    if max_notes < 0:
        raise InputError(f"cannot evaluate on {max_notes} notes: expected 1 or more, or 0 for all of them")
    data = SortedSet.open(data_uri)
    instrument = Instrument.load(model_uri)
    family = instrument.card.family
    split, notes = note_selection.held_out_notes(data, family, max_notes)
    of_each_family = note_selection.note_of_each_family([data, *([SortedSet.open(others_uri)] if others_uri else [])])
    storage.delete(TrainingDir(out_uri).evaluation_uri)
    numbers, real_time_factor = scoring.measure(instrument, notes)

    def keep(some: list[Note]) -> list[evaluation.Heard]:
        return [scoring.keep(out_uri, played) for played in scoring.play(instrument, some)]

    found = Evaluation(
        model=instrument.card,
        split=split,
        data_fingerprint=data.fingerprint(split),
        notes_fingerprint=evaluation.notes_fingerprint(notes),
        notes=numbers,
        summary=breakdown.summarise(numbers),
        groups=breakdown.breakdown(numbers),
        worst=keep([notes[place] for place in note_selection.worst(numbers, WORST_TO_HEAR)]),
        heard=keep([notes[place] for place in note_selection.to_hear(notes, NOTES_TO_HEAR)]),
        transfers=[scoring.keep_transfer(out_uri, played) for played in scoring.play(instrument, of_each_family)],
    )
    return _finish(found, out_uri, model_uri, real_time_factor)


def hear(instrument: Instrument, notes: list[Note]) -> list[NoteNumbers]:
    """Lets a model play notes of its family and returns the numbers alone."""
    return scoring.measure(instrument, notes)[0]


def _finish(found: Evaluation, out_uri: str, model_uri: str, real_time_factor: float) -> EvaluateResult:
    """Writes the report, then evaluation.json, which commits the rest."""
    from components.evaluate.report import write_report
    from components.evaluate.training import Training

    # The run's own files are beside the model where --out is elsewhere.
    run_uri = model_uri if storage.exists(TrainingDir(model_uri).record_uri) else out_uri
    report_uri = write_report([Training.of(found, out_uri, run_uri)], out_uri)
    return EvaluateResult(found, evaluation.write(found, out_uri), report_uri, real_time_factor)
