"""Runs of the pipeline in Kubeflow: their state in words, when they started, how long they took, their parameters."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from components.core.redaction import redact
from pipelines.kubeflow.client import Kubeflow, all_pages, api_errors

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
"""The states of a run, or of a task, that has ended."""

_UNKNOWN_TIME_BEFORE = 1971  # the year 1 or 1970 stands for an unknown time
_NEWEST_FIRST = "created_at desc"


@dataclass(frozen=True)
class ListedRun:
    """A run in a list.

    Attributes:
        run_id: Its id.
        name: Its name in the UI.
        state: "succeeded", "failed", "stopped", "running", "pending", ...
        started_at: RFC 3339, in UTC; "" if unknown.
        took_s: From its start to its end, or to now while it runs; None if unknown.
        parameters: Those that differ from the pipeline's defaults, without secrets.
        url: Its page.
    """

    run_id: str
    name: str
    state: str
    started_at: str
    took_s: float | None
    parameters: dict[str, Any]
    url: str


def list_runs(kubeflow: Kubeflow, limit: int) -> list[ListedRun]:
    """Returns the newest runs, the newest first.

    Args:
        kubeflow: The API.
        limit: The most that are returned.

    Raises:
        InputError, UnreachableError: See `api_errors`.
    """
    call = kubeflow.api.runs.run_service_list_runs
    with api_errors("list the runs"):
        found = list(islice(all_pages(call, "runs", namespace=kubeflow.namespace, sort_by=_NEWEST_FIRST), limit))
    return [_listed(kubeflow, run) for run in found]


def was_stopped(run: Any) -> bool:
    """Tells whether somebody stopped a run. If the installation retries nodes, it ends as FAILED nevertheless."""
    canceling = any(status.state == "CANCELING" for status in run.state_history or [])
    return run.state == "CANCELED" or (run.state == "FAILED" and canceling)


def _listed(kubeflow: Kubeflow, run: Any) -> ListedRun:
    start, end = _time(run.created_at), _time(run.finished_at)
    state = "stopped" if was_stopped(run) else str(run.state or "unknown").lower()
    seconds = ((end or datetime.now(UTC)) - start).total_seconds() if start else None
    given = (run.runtime_config.parameters if run.runtime_config else None) or {}
    return ListedRun(
        run_id=str(run.run_id),
        name=str(run.display_name or ""),
        state=state,
        started_at=start.isoformat(timespec="seconds") if start else "",
        took_s=None if seconds is None else round(seconds, 1),
        parameters={str(name): without_secrets(value) for name, value in given.items()},
        url=kubeflow.page("runs", "details", str(run.run_id)),
    )


def parameter_text(parameters: dict[str, Any]) -> str:
    """Returns parameters as a shell and `-p` take them: "families=string,keyboard 'bindings=train.max_steps = 30'"."""
    return " ".join(shlex.quote(f"{name}={_text(value)}") for name, value in sorted(parameters.items()))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, str) and "," not in each for each in value):
        return ",".join(value)
    return json.dumps(value)


def without_secrets(value: Any) -> Any:
    """Returns the value of a parameter with its secrets masked."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [without_secrets(each) for each in value]
    return value


def _time(found: Any) -> datetime | None:
    if not isinstance(found, datetime) or found.year < _UNKNOWN_TIME_BEFORE:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
