"""Alternated timing: contenders take turns in rounds, so that a slow minute of the machine affects all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Run:
    """One measured run.

    Attributes:
        wall_s: Seconds from the start of the first process to the end of the last, start-up included.
        work_s: Seconds without the start-up of the interpreter and its imports; `wall_s` where there is none.
        cpu_s: Processor seconds, user and system, of the processes of the run; without those of children that nobody
            waited for, such as the workers of a fork server.
        peak_rss_bytes: The largest memory of any one process of the run; 0 where it was not watched.
        extra: What the run itself reported.
    """

    wall_s: float
    work_s: float
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0
    extra: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """One alternative in a measurement.

    Attributes:
        name: Its key in the result.
        run: Does the work once.
        clean: Called before every run, outside the measurement: removes what the last one left.
    """

    name: str
    run: Callable[[], Run]
    clean: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Series:
    """Seconds of the same work by round; reports show the median."""

    seconds: tuple[float, ...]

    @property
    def median_s(self) -> float:
        """The median, in seconds."""
        return statistics.median(self.seconds)

    def scaled(self, factor: float) -> Series:
        """Returns every value times a factor, to scale a slice to the whole."""
        return Series(tuple(value * factor for value in self.seconds))

    def __str__(self) -> str:
        return f"{self.median_s:.2f} ({min(self.seconds):.2f}-{max(self.seconds):.2f})"


def wall(runs: Sequence[Run]) -> Series:
    """Returns the seconds with start-up."""
    return Series(tuple(run.wall_s for run in runs))


def work(runs: Sequence[Run]) -> Series:
    """Returns the seconds without start-up."""
    return Series(tuple(run.work_s for run in runs))


def cpu(runs: Sequence[Run]) -> Series:
    """Returns the processor seconds."""
    return Series(tuple(run.cpu_s for run in runs))


def medians(runs: Sequence[Run]) -> dict[str, float]:
    """Returns the medians of the runs' seconds: with start-up, without, and of the processors."""
    series = {"wall_s": wall(runs), "work_s": work(runs), "cpu_s": cpu(runs)}
    return {name: round(values.median_s, 4) for name, values in series.items()}


def alternate(
    contenders: Sequence[Contender], rounds: int, say: Callable[[str], None] = lambda _: None
) -> dict[str, list[Run]]:
    """Runs the contenders in turns: each round starts with another one; after all have been first, the order reverses.

    Args:
        contenders: What to measure.
        rounds: Measured rounds.
        say: Called with a line about every run.

    Returns:
        The runs of every contender by its name, in the order of the rounds.
    """
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        start = number % len(contenders)
        order = [*contenders[start:], *contenders[:start]]
        for contender in reversed(order) if number // len(contenders) % 2 else order:
            contender.clean()
            run = contender.run()
            runs[contender.name].append(run)
            say(f"round {number + 1}/{rounds}: {contender.name} {run.wall_s:.2f} s")
    for contender in contenders:
        contender.clean()
    return runs
