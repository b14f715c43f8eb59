"""Reports the state of a pipeline task: its start, its result, or why it failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from components.core.errors import InputError, StepError
from components.telemetry import log, parent_watch, progress


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
    """Wraps the body of a pipeline component: sets logging up and reports start, result and failure.

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
        raise
    progress.emit("done", title=title, text=running.text, facts=running.facts)
