"""Follows a run in Kubeflow: shows its tasks as lines and bars, and at the end which failed and why."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import click
from kfp_server_api import V2beta1Run

from components.core.errors import StepError
from components.telemetry import log
from pipelines.kubeflow.client import Kubeflow, UnreachableError, api_errors
from pipelines.kubeflow.tasks import PipelineTask, failures_of, tasks_of
from pipelines.run.display import Display

_LOG = log.get(__name__)
POLL_S = 3.0
_TIMEOUT_S = 60
_OUTAGE_S = 15 * 60
_ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
# A traceback's last line: "components.core.errors.InputError: the source is empty".
_RAISED = re.compile(r"(?:[\w.]+\.)?(\w*(?:Error|Exception|Exit|Interrupt)): (.+)")
_OURS = ("InputError", "StepError")


def follow(kubeflow: Kubeflow, run_id: str) -> None:
    """Shows a run's progress until it ends.

    While the API does not answer, it retries for 15 minutes.

    Raises:
        StepError: The run failed or was stopped; or it continues: the API does not answer, or the user pressed Ctrl-C.
    """
    url = kubeflow.url("runs", "details", run_id)
    events_of_run = _TaskEvents()
    try:
        with Display() as display:
            while True:
                run = _read(kubeflow, run_id)
                for event in events_of_run.events(tasks_of(_nodes(run))):
                    display.show(event)
                if run.state in _ENDED:
                    break
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        host = kubeflow.endpoint.host
        raise StepError(
            f"stopped following; the run continues: {url} (follow: 'luthier submit --host {host} --follow {run_id}', "
            f"stop: 'luthier submit --host {host} --stop {run_id}')"
        ) from None
    if run.state == "FAILED":
        raise StepError(f"{_reason(kubeflow, run)} (see {url})")
    if run.state == "CANCELED":
        raise StepError(f"the run was stopped (see {url})")
    click.echo(f"succeeded  {url}")


def _read(kubeflow: Kubeflow, run_id: str) -> V2beta1Run:
    deadline = time.monotonic() + _OUTAGE_S
    warned = False
    while True:
        try:
            with api_errors(f"read the run '{run_id}'"):
                return kubeflow.api.runs.run_service_get_run(run_id=run_id, _request_timeout=_TIMEOUT_S)
        except UnreachableError as error:
            if time.monotonic() > deadline:
                raise StepError(f"{error}; the run continues, try 'luthier submit --follow {run_id}'") from error
            if not warned:
                _LOG.warning("%s; trying again", error)
                warned = True
            time.sleep(POLL_S)


def _nodes(run: V2beta1Run) -> list[Any]:
    return (run.run_details.task_details if run.run_details else None) or []


class _TaskEvents:
    """The tasks seen so far; the tasks of a loop, which share a name, get numbers."""

    def __init__(self) -> None:
        self._titles: dict[str, str] = {}
        self._names: Counter[str] = Counter()
        self._ended: set[str] = set()

    def events(self, tasks: list[PipelineTask]) -> Iterator[dict[str, Any]]:
        """Yields the events since the last call, in the form of `pipelines.run.display`."""
        for task in tasks:
            if task.key not in self._titles:
                self._names[task.name] += 1
                number = self._names[task.name]
                self._titles[task.key] = task.name if number == 1 else f"{task.name} ({number})"
                yield self._event("start", task)
            if task.state in _ENDED and task.key not in self._ended:
                self._ended.add(task.key)
                text = "from the cache" if task.reused else _duration(task.seconds)
                if task.state == "FAILED":
                    yield self._event("failed", task, message=f"failed {text}".strip())
                else:
                    yield self._event("done", task, text=text, facts={})

    def _event(self, kind: str, task: PipelineTask, **fields: Any) -> dict[str, Any]:
        # Each task is a process of its own.
        return {"kind": kind, "title": self._titles[task.key], "pid": task.key, "time": time.time(), **fields}


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"after {minutes} min {rest} s" if minutes else f"after {rest} s"


def _reason(kubeflow: Kubeflow, run: V2beta1Run) -> str:
    """Returns the first failed task with the last error of its log; else what the run itself says."""
    failures = failures_of(_nodes(run))
    if failures:
        first, others = failures[0], len(failures) - 1
        more = f" (and {others} more failed)" if others else ""
        return f"{first.name}: {_message(kubeflow.pod_log(run.run_id, first.pod))}{more}"
    errors = [status.error for status in run.state_history or [] if status.error]
    told = [run.error.message] if run.error else [error.message for error in errors[-1:]]
    return f"the run failed: {told[0] if told and told[0] else 'Kubeflow reports no reason'}"


def _message(text: str) -> str:
    raised = [match for match in map(_RAISED.fullmatch, map(str.strip, text.splitlines())) if match]
    if raised:
        kind, message = raised[-1].groups()
        return message if kind in _OURS else f"{kind}: {message}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "failed; its log is no longer available"
