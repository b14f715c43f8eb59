"""Shows a run in the terminal: a line for every finished task, a bar for every running one."""

from __future__ import annotations

import sys
import textwrap
import time
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.text import Text

from components.telemetry.bar_columns import bar_columns
from components.telemetry.progress import short

_LINE_EVERY_S = 15.0
_TEXT_COLUMN, _LEAST_TEXT_WIDTH = 37, 30


@dataclass
class _Shown:
    """A bar: the process that it is about, and when it was last printed as a plain line."""

    bar: TaskID
    pid: int
    last_line_time: float


class Display:
    """Turns the events of a run into lines and bars; without a terminal, lines only. A context manager.

    Attributes:
        failures: The events of the failed tasks, in order.
        facts: Results of the finished tasks, for the summary.
    """

    def __init__(self) -> None:
        self.failures: list[dict[str, Any]] = []
        self.facts: dict[str, Any] = {}
        self._start = time.monotonic()
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        columns, bars_hidden = bar_columns("        {task.description:<28}"), not sys.stderr.isatty()
        self._bars = Progress(*columns, console=self._console, transient=True, disable=bars_hidden)
        self._running: dict[str, _Shown] = {}

    def __enter__(self) -> Display:
        self._bars.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._bars.stop()

    def show(self, event: dict[str, Any]) -> None:
        """Shows one event, as `components.telemetry.progress.emit` wrote it."""
        getattr(self, f"_on_{event['kind']}")(event)

    def _on_start(self, event: dict[str, Any]) -> None:
        bar = self._bars.add_task(event["title"], total=None, text="")
        self._running[event["title"]] = _Shown(bar, event["pid"], event["time"])

    def _on_progress(self, event: dict[str, Any]) -> None:
        title = event["title"]
        if title not in self._running:
            self._on_start(event)
        shown = self._running[title]
        text = f"{short(event['done'])}/{short(event['total'])} {event['unit']}  {event['text']}".rstrip()
        self._bars.update(shown.bar, completed=event["done"], total=event["total"], text=text)
        if self._bars.disable and event["time"] - shown.last_line_time > _LINE_EVERY_S:
            shown.last_line_time = event["time"]
            self._line(" ", "", event, text)

    def _on_done(self, event: dict[str, Any]) -> None:
        self._remove_bars(event)
        self.facts.update(event["facts"])
        self._line("✓", "green", event, event["text"])

    def _on_waits(self, event: dict[str, Any]) -> None:
        self._line("…", "yellow", event, event["text"])

    def _on_failed(self, event: dict[str, Any]) -> None:
        self._remove_bars(event)
        self.failures.append(event)
        self._line("✗", "red", event, event["message"])

    def _remove_bars(self, event: dict[str, Any]) -> None:
        """Removes a task's bar, and the bars of work inside it: other titles, same process."""
        for title, shown in list(self._running.items()):
            if title == event["title"] or shown.pid == event["pid"]:
                self._bars.remove_task(self._running.pop(title).bar)

    def _line(self, mark: str, style: str, event: dict[str, Any], text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._start), 60)
        shown = f" {event['title']:<28} {self._wrapped(text)}"
        # One call: the bars are drawn again after each print.
        self._console.print(Text.assemble(f"{minutes:02d}:{seconds:02d} ", (mark, style), shown))

    def _wrapped(self, text: str) -> str:
        """Returns a text in lines that fit beside its title on a terminal, without a broken word; else as it is."""
        if self._bars.disable:
            return text  # in a log, one line for one event
        width = max(_LEAST_TEXT_WIDTH, self._console.width - _TEXT_COLUMN)
        lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
        return f"\n{' ' * _TEXT_COLUMN}".join(lines)
