"""The runs of a workspace, from the run records of their trainings."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from components import storage
from components.artifacts.run_record import FAILED, FINISHED, RECORD_NAME, RUNNING
from components.artifacts.training_dir import TrainingDir
from components.core.errors import InputError
from components.telemetry import log

_LOG = log.get(__name__)
_UNREADABLE = "unreadable"
_ORDER = (FINISHED, RUNNING, FAILED, _UNREADABLE)


@dataclass(frozen=True)
class WorkspaceRun:
    """A run of a workspace.

    Attributes:
        run: Its id, the name of its directory.
        started_at: When its first training began: ISO 8601, in UTC; "" if unknown.
        preset: Of its trainings.
        trainings: Their names by status: finished, running (or interrupted), failed, unreadable.
        uri: Its directory.
    """

    run: str
    started_at: str
    preset: str
    trainings: dict[str, list[str]]
    uri: str

    def text(self) -> str:
        """Returns its trainings in words: "2 finished, 1 failed (string-wavetable)"."""
        parts = []
        for status in _ORDER:
            if names := self.trainings.get(status):
                named = "" if status == FINISHED else f" ({', '.join(names)})"
                parts.append(f"{len(names)} {status}{named}")
        return ", ".join(parts)


def workspace_runs(workspace_uri: str) -> list[WorkspaceRun]:
    """Returns the runs of a workspace, the newest first.

    Raises:
        InputError: The workspace has no runs, or cannot be read.
    """
    runs_uri = storage.join(workspace_uri, "runs")
    directories = defaultdict(list)
    for found in storage.list_objects(runs_uri):
        run, _, rest = found.name.partition("/")
        training, _, name = rest.partition("/")
        if name == RECORD_NAME:
            directories[run].append(training)
    if not directories:
        raise InputError(
            f"there are no runs at '{runs_uri}': expected the workspace of `luthier run` or of the pipeline"
        )
    runs = [_run(storage.join(runs_uri, run), sorted(names)) for run, names in directories.items()]
    return sorted(runs, key=lambda each: (each.started_at, each.run), reverse=True)


def _run(uri: str, names: list[str]) -> WorkspaceRun:
    started, presets = [], []
    trainings: dict[str, list[str]] = defaultdict(list)
    for name in names:
        try:
            record = TrainingDir(storage.join(uri, name)).read_record()
        except InputError as error:
            _LOG.warning("%s", error)
            trainings[_UNREADABLE].append(name)
            continue
        if record is not None:
            trainings[record.status].append(name)
            started.append(record.started)
            presets.append(record.preset)
    first = min(filter(None, started), default="")
    return WorkspaceRun(storage.basename(uri), first, ", ".join(dict.fromkeys(presets)), dict(trainings), uri)
