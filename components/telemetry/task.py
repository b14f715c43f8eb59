"""Reports the state of a pipeline task: its start, its result, or why it failed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from components.core.errors import InputError, StepError
from components.telemetry import log, parent_watch, progress

_LOG = log.get(__name__)


class TaskReport:
    """Yielded by `task`: takes the result of the task."""

    def __init__(self) -> None:
        self.text = ""
        self.facts: dict[str, Any] = {}

    def found(self, text: str, **facts: Any) -> None:
        """Sets the result that is shown for the task ("40 records, 10 string"), and facts for the run's summary."""
        self.text, self.facts = text, facts


@contextmanager
def task(title: str) -> Iterator[TaskReport]:
    """Wraps the work of a pipeline task: sets logging up and reports start, result and failure, also in the log.

    Args:
        title: What runs, for instance "train string-harmonic".
    """
    log.setup()
    parent_watch.watch()
    progress.emit("start", title=title)
    running = TaskReport()
    try:
        yield running
    except BaseException as error:
        is_input = isinstance(error, InputError)
        text = str(error) if isinstance(error, InputError | StepError) else f"{type(error).__name__}: {error}"
        message = " ".join(text.split())
        progress.emit("failed", title=title, message=message, input_fault=is_input)
        _LOG.error("failed: %s: %s", title, message)
        raise
    progress.emit("done", title=title, text=running.text, facts=running.facts)
    _LOG.info("done: %s: %s", title, running.text)


@dataclass(frozen=True)
class LoggedEnd:
    """The end of a task as its log has it.

    Attributes:
        title: As given to `task`.
        failed: Whether it failed.
        text: Its result, or why it failed.
    """

    title: str
    failed: bool
    text: str


_LOGGED = re.compile(rf".* {re.escape(__name__)}: (done|failed): ([^:]+): (.*)")


def last_end(log_text: str) -> LoggedEnd | None:
    """Returns the last end of a task in a log; None where there is none."""
    found = [match for line in log_text.splitlines() if (match := _LOGGED.fullmatch(line.strip()))]
    if not found:
        return None
    kind, title, text = found[-1].groups()
    return LoggedEnd(title, kind == "failed", text)
