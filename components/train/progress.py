"""The progress bar of a process that trains: one for all its trainings."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from components.telemetry import progress


class ProgressBar(Protocol):
    """What a training needs of a progress bar.

    Attributes:
        done: Steps done.
    """

    done: float

    def advance(self, steps: float = 1, note: str | None = None) -> None:
        """Moves the bar; `note` is a short text behind it."""

    def note(self, text: str) -> None:
        """Sets the text."""

    def restart_pace(self) -> None:
        """Measures the pace from now on."""


class _SharedBar:
    def __init__(self, bar: progress.Bar) -> None:
        self._bar, self._lock = bar, threading.Lock()
        self.parts: list[_Part] = []

    def advance(self, steps: float) -> None:
        with self._lock:
            self._bar.advance(steps, "; ".join(f"{part.name}: {part.text}" for part in self.parts if part.text))

    def restart_pace(self) -> None:
        with self._lock:
            self._bar.restart_pace()


class _Part:
    """One training's part of a bar that several share, each from a thread of its own."""

    def __init__(self, shared: _SharedBar, name: str, done: float) -> None:
        self._shared, self.name, self.done, self.text = shared, name, done, ""

    def advance(self, steps: float = 1, note: str | None = None) -> None:
        self.done += steps
        self.text = self.text if note is None else note
        self._shared.advance(steps)

    def note(self, text: str) -> None:
        self.advance(0, text)

    def restart_pace(self) -> None:
        self._shared.restart_pace()


@contextmanager
def progress_bars(
    title: str, names: Sequence[str], totals: Sequence[int], done: Sequence[int]
) -> Iterator[Sequence[ProgressBar]]:
    """Yields a bar for each training; several trainings share one.

    Args:
        title: Of the bar.
        names: Of the trainings, for the text behind the bar.
        totals: Their steps.
        done: The steps that earlier processes have done.
    """
    with progress.bar(title, sum(totals), "steps", sum(done)) as bar:
        if len(names) == 1:
            yield [bar]
            return
        shared = _SharedBar(bar)
        shared.parts = [_Part(shared, name, steps) for name, steps in zip(names, done, strict=True)]
        yield shared.parts
