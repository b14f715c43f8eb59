"""The result of a training, from its run.json. A Job may have expired or been deleted, so it is not asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components import storage
from components.core.errors import StepError
from components.launch.request import TrainingRequest

_NAME = "run.json"
_SAME = ("family", "synth", "preset", "bindings", "data_fingerprint")
_STOPPED_BY = {"flat": " (the curve went flat)", "max_minutes": " (out of time)", "max_steps": ""}


@dataclass(frozen=True)
class FinishedTraining:
    """What a finished training left in its run.json."""

    record: dict[str, Any]

    def summary(self) -> str:
        """One line for a person."""
        best = self.record["best"]
        first, ended = self.record["first_spectral_loss"], _STOPPED_BY[self.record["stopped_by"]]
        return f"{self.record['steps']} steps{ended}, spectral loss {first:.1f} -> {best['valid_loss']:.2f} (held out)"

    def facts(self) -> dict[str, Any]:
        """Metadata of the model artifact."""
        names = ("family", "synth", "preset", "steps", "data_fingerprint", "code_fingerprint")
        return {**{name: self.record[name] for name in names}, "valid_loss": self.record["best"]["valid_loss"]}


def read(request: TrainingRequest) -> dict[str, Any] | None:
    """Returns the run.json of the training directory; None where there is none, or one of another training."""
    uri = storage.join(request.out_uri, _NAME)
    if not storage.exists(uri):
        return None
    record: dict[str, Any] = storage.read_json(uri)
    expected = {name: getattr(request, name) for name in _SAME} | {"bindings": list(request.bindings)}
    return record if all(record.get(name) == value for name, value in expected.items()) else None


def finished(request: TrainingRequest, code: str | None = None) -> dict[str, Any] | None:
    """Returns the run.json of a finished training; None where it has yet to be trained.

    Args:
        request: The training.
        code: As of versions.training_code: a training of other code does not count, since the trainer has to decide
            about it. None counts all.
    """
    record = read(request)
    if not record or record.get("status") != "finished":
        return None
    return record if code is None or record.get("code_fingerprint") == code else None


def after_job(request: TrainingRequest, what_happened: str) -> dict[str, Any]:
    """Returns the run.json of a training whose Job is complete or deleted.

    Args:
        request: The training.
        what_happened: To the Job, for the error.

    Raises:
        StepError: The training is not finished.
    """
    record = finished(request)
    if record:
        return record
    failure = (read(request) or {}).get("failure")
    raise StepError(
        f"{what_happened}{f': {failure}' if failure else ''}; the same command continues from its checkpoint"
    )
