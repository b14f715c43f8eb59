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

    def skip(self, steps: float, note: str | None = None) -> None:
        """Moves the bar by steps that tell nothing of the pace."""

    def ends_within(self, seconds: float) -> None:
        """Says that the training ends in so many seconds, even if steps are left then."""


class _SharedBar:
    def __init__(self, bar: progress.Bar) -> None:
        self._bar, self._lock, self._longest_s = bar, threading.Lock(), 0.0
        self.parts: list[_Part] = []

    def advance(self, steps: float, counts: bool = True) -> None:
        text = "; ".join(f"{part.name}: {part.text}" for part in self.parts if part.text)
        with self._lock:
            (self._bar.advance if counts else self._bar.skip)(steps, text)

    def ends_within(self, seconds: float) -> None:
        with self._lock:
            self._longest_s = max(self._longest_s, seconds)
            self._bar.ends_within(self._longest_s)


class _Part:
    """One training's part of a bar that several share, each from a thread of its own."""

    def __init__(self, shared: _SharedBar, name: str, done: float) -> None:
        self._shared, self.name, self.done, self.text = shared, name, done, ""

    def advance(self, steps: float = 1, note: str | None = None, counts: bool = True) -> None:
        self.done += steps
        self.text = self.text if note is None else note
        self._shared.advance(steps, counts)

    def skip(self, steps: float, note: str | None = None) -> None:
        self.advance(steps, note, counts=False)

    def note(self, text: str) -> None:
        self.advance(0, text)

    def ends_within(self, seconds: float) -> None:
        self._shared.ends_within(seconds)


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
