"""Shows the progress of work that takes more than two seconds: a bar on a terminal, else log lines or events.

`luthier run` starts its steps as other processes and shows their progress itself: LUTHIER_EVENTS names a file to which
every step appends events, one JSON object on each line. On a local disk, appending such a short line is atomic.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from components.core import environment
from components.core.redaction import redact
from components.telemetry import log

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LOG = log.get(__name__)
_LINE_EVERY_S = 10.0
_EVENT_EVERY_S = 0.2
_REFRESH_EVERY_S = 0.1


def emit(kind: str, **fields: Any) -> None:
    """Appends an event to the file that LUTHIER_EVENTS names, texts without secrets; does nothing if it is unset."""
    path = environment.get(environment.EVENTS)
    if path:
        texts = {name: redact(value) for name, value in fields.items() if isinstance(value, str)}
        line = json.dumps({"kind": kind, "pid": os.getpid(), "time": time.time(), **fields, **texts}) + "\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def short(number: float) -> str:
    """Returns a number with at least three digits and no exponent: "0.25", "41.8", "16,570"."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def duration(seconds: float) -> str:
    """Returns a time with its unit: "90 s", "12 min", "3.5 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


class Bar:
    """The progress of work with a known length, created by `bar`. Only one thread may advance it."""

    def __init__(self, title: str, total: float, unit: str, done_before: float = 0.0) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.done = self._done_before = done_before
        self.text = ""
        self._start = time.monotonic()
        self._deadline = math.inf
        self._last_line = self._start
        self._last_event = self._last_refresh = 0.0
        self._done_in_line = -1.0
        self._rich: Progress | None = None
        self._task: TaskID | None = None

    def advance(self, units: float = 1, note: str | None = None) -> None:
        """Advances by some units; `note` is a short text after the bar, such as the loss."""
        self.done += units
        if note is not None:
            self.text = note
        self._show()

    def skip(self, units: float, note: str | None = None) -> None:
        """Advances by units that tell nothing of the pace, such as a step that compiles: it counts from now on."""
        self._done_before, self._start = self.done + units, time.monotonic()
        self.advance(units, note)

    def ends_within(self, seconds: float) -> None:
        """Says that the work ends in so many seconds from now, even if units are left then."""
        self._deadline = time.monotonic() + seconds

    def note(self, text: str) -> None:
        """Sets the short text after the bar."""
        self.text = text
        self._show()

    def _show(self) -> None:
        now = time.monotonic()
        if environment.get(environment.EVENTS):
            if now - self._last_event >= _EVENT_EVERY_S or self.done >= self.total:
                self._last_event = now
                text = self._details(now)
                emit("progress", title=self.title, done=self.done, total=self.total, unit=self.unit, text=text)
        elif self._rich is not None and self._task is not None:
            self._rich.update(self._task, completed=self.done, text=self._line(now))
            if now - self._last_refresh >= _REFRESH_EVERY_S or self.done >= self.total:
                self._last_refresh = now
                self._rich.refresh()
        elif now - self._last_line >= _LINE_EVERY_S:
            self._log(now)

    def _log(self, now: float) -> None:
        self._last_line, self._done_in_line = now, self.done
        _LOG.info("%s: %s", self.title, self._line(now))

    def _line(self, now: float) -> str:
        return ", ".join(filter(None, (f"{short(self.done)}/{short(self.total)} {self.unit}", self._details(now))))

    def _details(self, now: float) -> str:
        return ", ".join(filter(None, (self._pace(now), self.text)))

    def _pace(self, now: float) -> str:
        """Returns units per second and the time left, for instance "41.8 MB/s, 12 s left"."""
        if self.done <= self._done_before:
            return ""
        rate = (self.done - self._done_before) / max(now - self._start, 1e-9)
        left_s = min((self.total - self.done) / rate, max(0.0, self._deadline - now))
        left = f", {duration(left_s)} left" if self.done < self.total else ""
        return f"{short(rate)} {self.unit}/s{left}"


@contextmanager
def bar(title: str, total: float, unit: str, done_before: float = 0.0) -> Iterator[Bar]:
    """Shows the progress of a piece of work.

    Args:
        title: What is done, for instance "train string-harmonic".
        total: The number of units.
        unit: The unit, in the plural, for instance "records".
        done_before: Units that an earlier process has done; they do not count for the pace.
    """
    shown = Bar(title, total, unit, done_before)
    if environment.get(environment.EVENTS) or not sys.stderr.isatty():
        shown._show()
        yield shown
        if shown._done_in_line != shown.done:
            shown._log(time.monotonic())
        return
    from rich.console import Console
    from rich.progress import Progress

    from components.telemetry.bar_columns import bar_columns

    # Without rich's thread that refreshes: a process with threads cannot fork workers.
    with Progress(*bar_columns("{task.description}"), console=Console(stderr=True), auto_refresh=False) as bars:
        shown._rich, shown._task = bars, bars.add_task(title, total=total, text="")
        yield shown
