"""The training's own run.json: whether it is finished is told there, not by its Job, which may be gone long since."""

from __future__ import annotations

from typing import Any

from components import storage
from components.core.errors import StepError
from components.launch.training import Training

_NAME = "run.json"
_SAME = ("family", "synth", "preset", "bindings", "data_fingerprint")


def read(training: Training) -> dict[str, Any] | None:
    """Returns the run.json in the training's directory, if there is one and it is of this training."""
    uri = storage.join(training.out_uri, _NAME)
    if not storage.exists(uri):
        return None
    record: dict[str, Any] = storage.read_json(uri)
    ours = {name: getattr(training, name) for name in _SAME} | {"bindings": list(training.bindings)}
    return record if all(record.get(name) == value for name, value in ours.items()) else None


def finished(training: Training, code: int | None = None) -> dict[str, Any] | None:
    """Returns the run.json of a finished training; None where it has still to be trained.

    Args:
        training: Which.
        code: The training version. What another version trained is for the trainer to judge, so it does not
            count here; all counts if None.
    """
    record = read(training)
    if not record or record.get("status") != "finished":
        return None
    return record if code is None or record.get("training_version") == code else None


def after(training: Training, what: str) -> dict[str, Any]:
    """Returns the run.json of a training whose Job is done or gone; `what` says which of both, for the error.

    Raises:
        StepError: It is not finished.
    """
    record = finished(training)
    if record:
        return record
    failure = (read(training) or {}).get("failure")
    raise StepError(f"{what}{f': {failure}' if failure else ''}; the same command goes on from its checkpoint")
