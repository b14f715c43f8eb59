"""One progress bar for all trainings of a process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from components.telemetry import progress


class Part:
    """One training's part of a bar that several share, each from a thread of its own.

    Attributes:
        done: Steps done.
    """

    def __init__(self, shared: _Shared, name: str, done: float) -> None:
        self._shared, self._name, self.done, self.text = shared, name, done, ""

    def advance(self, steps: float = 1, note: str | None = None) -> None:
        """Moves the bar; see progress.Bar."""
        self.done += steps
        self.text = self.text if note is None else note
        self._shared.advance(steps)

    def note(self, text: str) -> None:
        """Sets the text of this part."""
        self.advance(0, text)

    def restart_pace(self) -> None:
        """Counts the pace from here on."""
        self._shared.restart_pace()

    def said(self) -> str:
        """Returns the text with the training's name before it."""
        return f"{self._name}: {self.text}" if self.text else ""


class _Shared:
    def __init__(self, bar: progress.Bar) -> None:
        self._bar, self._lock = bar, threading.Lock()
        self.parts: list[Part] = []

    def advance(self, steps: float) -> None:
        with self._lock:
            self._bar.advance(steps, "; ".join(filter(None, (part.said() for part in self.parts))))

    def restart_pace(self) -> None:
        with self._lock:
            self._bar.restart_pace()


Bar = progress.Bar | Part


@contextmanager
def bars(title: str, names: Sequence[str], totals: Sequence[int], done: Sequence[int]) -> Iterator[Sequence[Bar]]:
    """Yields a bar for each training; where there are several, they are parts of one.

    Args:
        title: Of the bar.
        names: Of the trainings, as the bar's text says them.
        totals: Their steps.
        done: The steps that earlier processes have done.
    """
    with progress.bar(title, sum(totals), "steps", sum(done)) as bar:
        if len(names) == 1:
            yield [bar]
            return
        shared = _Shared(bar)
        shared.parts = [Part(shared, name, steps) for name, steps in zip(names, done, strict=True)]
        yield shared.parts
