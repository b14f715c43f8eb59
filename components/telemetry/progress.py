"""Progress of anything longer than two seconds: a bar on a terminal, else plain lines, or events for a watching parent.

`luthier run` starts its steps as other processes and draws their progress itself: it names a file in LUTHIER_EVENTS,
to which every step appends one JSON object a line. Appends of a line below the pipe size are atomic on a local disk.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from components.telemetry import log

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

EVENTS_VARIABLE = "LUTHIER_EVENTS"
_LOG = log.get(__name__)
_LINE_EVERY_S = 10.0
_EVENT_EVERY_S = 0.2


def emit(kind: str, **fields: Any) -> None:
    """Appends an event to the file named in LUTHIER_EVENTS; does nothing where there is none."""
    path = os.environ.get(EVENTS_VARIABLE)
    if path:
        line = json.dumps({"kind": kind, "pid": os.getpid(), "time": time.time(), **fields}) + "\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


class Bar:
    """One piece of work with a known length. Made by `bar`; thread safe only for one writer."""

    def __init__(self, title: str, total: float, unit: str) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.done = 0.0
        self.text = ""
        self._start = time.monotonic()
        self._last_line = self._start
        self._last_event = 0.0
        self._rich: Progress | None = None
        self._task: TaskID | None = None

    def advance(self, steps: float = 1, note: str | None = None) -> None:
        """Moves the bar by `steps` units; `note` is a short text behind it, such as the loss."""
        self.done += steps
        if note is not None:
            self.text = note
        self._show()

    def note(self, text: str) -> None:
        """Sets the short text behind the bar."""
        self.text = text
        self._show()

    def _show(self) -> None:
        now = time.monotonic()
        if os.environ.get(EVENTS_VARIABLE):
            if now - self._last_event >= _EVENT_EVERY_S or self.done >= self.total:
                self._last_event = now
                emit("progress", title=self.title, done=self.done, total=self.total, unit=self.unit, text=self.text)
        elif self._rich is not None and self._task is not None:
            self._rich.update(self._task, completed=self.done, text=self.text)
        elif now - self._last_line >= _LINE_EVERY_S:
            self._last_line = now
            _LOG.info("%s: %s", self.title, self._line(now))

    def _line(self, now: float) -> str:
        seconds = max(now - self._start, 1e-9)
        rate = self.done / seconds
        left = f", {(self.total - self.done) / rate:.0f} s left" if 0 < self.done < self.total else ""
        return f"{self.done:.4g}/{self.total:.4g} {self.unit}, {rate:.3g} {self.unit}/s{left} {self.text}".rstrip()


@contextmanager
def bar(title: str, total: float, unit: str) -> Iterator[Bar]:
    """Shows the progress of a piece of work.

    Args:
        title: What is being done, for instance "train string-harmonic".
        total: How many units there are.
        unit: What is counted, in the plural.
    """
    work = Bar(title, total, unit)
    if os.environ.get(EVENTS_VARIABLE) or not sys.stderr.isatty():
        work._show()
        yield work
        _LOG.info("%s: %s", title, work._line(time.monotonic()))
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as shown:
        work._rich, work._task = shown, shown.add_task(title, total=total, text="")
        yield work
