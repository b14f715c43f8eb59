"""Evaluates one model on held-out notes of its family, and on one note of every other family: scores and clips."""

from __future__ import annotations

from dataclasses import dataclass

from components import storage
from components.artifacts import evaluation
from components.artifacts.clips import KeptWriter
from components.artifacts.evaluation import Evaluation
from components.artifacts.model_card import ModelCard
from components.artifacts.scores import NoteNumbers
from components.artifacts.training_dir import TrainingDir
from components.core.errors import InputError
from components.core.versions import EVALUATION_VERSION
from components.evaluate import breakdown, note_selection, pieces, scoring, steady_notes
from components.nsynth.note import Note
from components.nsynth.sorted_set import SortedSet

MAX_SAMPLES = 2
MAX_WORST = 10
MAX_KEPT = 400  # about 14 MB


@dataclass(frozen=True)
class EvaluateResult:
    """The result of an evaluation.

    Attributes:
        evaluation: The content of evaluation.json.
        evaluation_uri: URI of evaluation.json.
        report_uri: URI of the report.
        real_time_factor: Seconds of audio evaluated per second. Depends on the machine, so not in evaluation.json.
    """

    evaluation: Evaluation
    evaluation_uri: str
    report_uri: str
    real_time_factor: float


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
        out_uri: The directory for evaluation.json, report.html and listening/: usually the training directory.
        max_notes: Maximum number of held-out notes, spread evenly over the split; 0 for all.
        others_uri: A sorted set with other families, for those that `data_uri` does not have.

    Raises:
        InputError: No model, no sorted set, no held-out notes of the model's family.
        StepError: The model's training has diverged: its output is NaN.
    """
    from components.synths.instrument import Instrument

    if max_notes < 0:
        raise InputError(f"cannot evaluate on {max_notes} notes: expected 1 or more, or 0 for all of them")
    data = SortedSet.open(data_uri)
    instrument = Instrument.load(model_uri)
    family = instrument.card.family
    split, notes = note_selection.held_out_notes(data, family, max_notes)
    of_each_family = note_selection.note_of_each_family([data, *([SortedSet.open(others_uri)] if others_uri else [])])
    _delete_another(out_uri, instrument.card, evaluation.notes_fingerprint(notes))
    kept, wanted = KeptWriter(), {notes[each].id for each in note_selection.listening_samples(notes, MAX_KEPT)}

    def keep(result: scoring.Resynthesis) -> None:
        if result.note.id in wanted:
            kept.add(result.note.id, result.note.audio, result.audio)

    numbers, real_time_factor = scoring.score(instrument, notes, keep)

    def write_samples(some: list[Note]) -> list[evaluation.ListeningSample]:
        return [scoring.write_sample(out_uri, each) for each in scoring.resynthesise(instrument, some)]

    found = Evaluation(
        model=instrument.card,
        split=split,
        data_fingerprint=data.fingerprint(split),
        notes_fingerprint=evaluation.notes_fingerprint(notes),
        notes=numbers,
        summary=breakdown.summarise(numbers),
        groups=breakdown.breakdown(numbers),
        worst=write_samples([notes[index] for index in note_selection.worst(numbers, MAX_WORST)]),
        samples=write_samples([notes[index] for index in note_selection.listening_samples(notes, MAX_SAMPLES)]),
        transfers=[scoring.write_transfer(out_uri, each) for each in scoring.resynthesise(instrument, of_each_family)],
        pieces=pieces.write_pieces(out_uri, instrument, data, notes),
        kept=kept.write(out_uri),
        steady=steady_notes.steady_scores(instrument),
        train_notes=data.families("train").get(family, 0) if "train" in data.splits() else None,
    )
    return _finish(found, out_uri, model_uri, real_time_factor)


def _delete_another(out_uri: str, card: ModelCard, notes_fingerprint: str) -> None:
    """Deletes the evaluation of another model or on other notes, whose clips are about to be replaced.

    One of the same model on the same notes has the same clips. It stays until the new one replaces it, because another
    process may have written it and read it now.
    """
    try:
        found = evaluation.read(out_uri)
    except InputError:
        found = None
    is_same = (
        found
        and found.evaluation_version == EVALUATION_VERSION
        and card.crc32c
        and (found.model.crc32c, found.notes_fingerprint) == (card.crc32c, notes_fingerprint)
    )
    if not is_same:
        storage.delete(TrainingDir(out_uri).evaluation_uri)


def score(model_uri: str, data_uri: str, reference: Evaluation) -> list[NoteNumbers]:
    """Scores a model on the held-out notes of another model's evaluation, so that the two can be compared.

    Args:
        model_uri: A model directory, or the training directory that holds it.
        data_uri: The sorted set of the other evaluation.
        reference: The other evaluation.

    Returns:
        The numbers of each note, in the order of the other evaluation.

    Raises:
        InputError: No model, no sorted set, or one with other held-out notes.
    """
    from components.synths.instrument import Instrument

    _, notes = note_selection.held_out_notes(SortedSet.open(data_uri), reference.family, len(reference.notes))
    if evaluation.notes_fingerprint(notes) != reference.notes_fingerprint:
        raise InputError(
            f"cannot compare with the evaluation of {reference.family}: '{data_uri}' has other held-out notes; "
            "expected the sorted set of that evaluation"
        )
    numbers, _ = scoring.score(Instrument.load(model_uri), notes)
    return numbers


def _finish(found: Evaluation, out_uri: str, model_uri: str, real_time_factor: float) -> EvaluateResult:
    """Writes the report, then evaluation.json, which commits the rest."""
    from components.evaluate.report import write_report
    from components.evaluate.training_view import TrainingView

    # Run record and metrics log are in the model's training directory, which --out may not be.
    run_uri = model_uri if storage.exists(TrainingDir(model_uri).record_uri) else out_uri
    report_uri = write_report([TrainingView.of(found, out_uri, run_uri)], out_uri)
    return EvaluateResult(found, evaluation.write(found, out_uri), report_uri, real_time_factor)
