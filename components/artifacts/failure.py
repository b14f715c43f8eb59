"""failure.json of a training directory: why the last attempt of a pipeline to train or to evaluate it failed."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from components import storage
from components.artifacts.training_dir import TrainingDir
from components.core.fields import Fields

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Failure:
    """A failed attempt.

    Attributes:
        message: What failed, in one line.
        input_fault: Whether the user's input is at fault.
        schema_version: Of this file.
    """

    message: str
    input_fault: bool
    schema_version: int = SCHEMA_VERSION


def write(training: TrainingDir, failure: Failure) -> None:
    """Writes the failure of an attempt."""
    storage.write_json(training.failure_uri, asdict(failure))


def clear(training: TrainingDir) -> None:
    """Removes the failure of an earlier attempt, if there is one."""
    storage.delete(training.failure_uri)


def read(training: TrainingDir) -> Failure | None:
    """Returns why the last attempt failed; None where it did not. InputError where the file is damaged."""
    if not storage.exists(training.failure_uri):
        return None
    fields = Fields(storage.read_json(training.failure_uri), training.failure_uri, "the failure of a training")
    return Failure(fields.text("message"), fields.values.get("input_fault") is True)
