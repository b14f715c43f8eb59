"""The result of a training, from its run record. A Job may have expired or been deleted, so it is not asked."""

from __future__ import annotations

from typing import Any

from components import storage
from components.artifacts import evaluation
from components.artifacts.outcome import Outcome
from components.artifacts.run_record import RunRecord
from components.artifacts.training_dir import TrainingDir
from components.config.settings import stop_settings, without_stop
from components.core.errors import StepError
from components.core.text import counted
from components.launch.request import TrainingRequest

_SAME = ("family", "synth", "preset", "data_fingerprint")
_STOPPED_BY = {"flat": " (the loss stopped improving)", "max_minutes": " (out of time)"}


def read(request: TrainingRequest) -> RunRecord | None:
    """Returns the run record of the training directory; None where there is none, or one of another training."""
    record = TrainingDir(request.out_uri).read_record()
    if record is None or any(getattr(record, name) != getattr(request, name) for name in _SAME):
        return None
    return record if without_stop(record.bindings) == without_stop(request.bindings) else None


def finished(request: TrainingRequest, version: int | None = None) -> RunRecord | None:
    """Returns the run record of a finished training; None where it has yet to be trained, or to be evaluated.

    Args:
        request: The training.
        version: See core.versions. A training by another version does not count: the trainer has to decide about it.
            None counts all.
    """
    record = read(request)
    if record is None or version not in (None, record.training_version):
        return None
    has_ended = record.has_reached(stop_settings(request.synth, request.preset, request.bindings))
    return record if has_ended and _is_evaluated(request) else None


def _is_evaluated(request: TrainingRequest) -> bool:
    return not request.evaluates or evaluation.is_current(request.out_uri)


def after_job(request: TrainingRequest, what_happened: str) -> RunRecord:
    """Returns the run record of a training whose Job is complete or deleted.

    Args:
        request: The training.
        what_happened: To the Job, for the error.

    Raises:
        StepError: The training is not finished, or not evaluated as was asked for.
    """
    record = read(request)
    if record and record.is_finished:
        if _is_evaluated(request):
            return record
        raise StepError(f"{what_happened}: {_unevaluated(request)}")
    failure = f": {record.failure}" if record and record.failure else ""
    raise StepError(f"{what_happened}{failure}; the same command continues from its checkpoint")


def _unevaluated(request: TrainingRequest) -> str:
    """Returns why an evaluation of this version is missing, and what to do."""
    if storage.exists(TrainingDir(request.out_uri).evaluation_uri):
        return (
            "its evaluation is one of another version of Luthier; build and push the images again, and apply the "
            "manifests, so that the image of the Job and that of this step are of one commit"
        )
    return "the model was trained but not evaluated; the same command evaluates it"


def outcome(record: RunRecord) -> Outcome:
    """Returns the outcome of a finished training."""
    assert record.outcome is not None
    return record.outcome


def summary(record: RunRecord) -> str:
    """Returns one line about a finished training: "30 steps, spectral loss 9.50 (held out)"."""
    found = outcome(record)
    loss = f"spectral loss {found.best_valid_loss:.2f} (held out)"
    return f"{counted(found.steps, 'step')}{_STOPPED_BY.get(found.stopped_by, '')}, {loss}"


def model_metadata(record: RunRecord) -> dict[str, Any]:
    """Returns the metadata of a finished training's model artifact."""
    names = ("family", "synth", "preset", "data_fingerprint", "training_version")
    facts = {name: getattr(record, name) for name in names}
    return {**facts, "steps": outcome(record).steps, "valid_loss": outcome(record).best_valid_loss}
