"""A training's curves, settings and times in the form that MLflow keeps: metric points, flat parameters, milliseconds.

Nothing here imports MLflow, which takes seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

EXPERIMENT = "luthier"
"""MLflow's experiment for the runs of trainings."""

Key = tuple[str, int, float]
_CURVES = ("total_loss", "spectral_loss", "learning_rate", "grad_norm", "steps_per_s", "input_wait_s")


@dataclass(frozen=True)
class Point:
    """A value of a curve: `name` such as "train/spectral_loss", the step, and its time in milliseconds since 1970."""

    name: str
    value: float
    step: int
    time_ms: int

    @property
    def key(self) -> Key:
        """What makes it the same point. A step that was undone comes again with another value, so the value counts."""
        return self.name, self.step, self.value


def points(lines: Iterable[dict[str, Any]], started_ms: int) -> list[Point]:
    """Returns the points of a metrics log.

    Args:
        lines: The lines of metrics.jsonl.
        started_ms: When the training began, in milliseconds since 1970.
    """
    return [
        Point(f"{line['split']}/{name}", float(line[name]), line["step"], started_ms + round(1000 * line["seconds"]))
        for line in lines
        for name in _CURVES
        if line.get(name) is not None and math.isfinite(line[name])
    ]


def is_curve(name: str) -> bool:
    """Tells whether a metric is one of those that `points` makes."""
    return name.rpartition("/")[2] in _CURVES


def numbers(nested: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    """Yields the finite numbers in nested dictionaries by path: ("f0_cents/mean", 8.5). Anything else is skipped."""
    if isinstance(nested, dict):
        for key, value in nested.items():
            yield from numbers(value, (*path, str(key)))
    elif isinstance(nested, (int, float)) and not isinstance(nested, bool) and math.isfinite(nested):
        yield "/".join(path), float(nested)


def milliseconds(time: str | float | None) -> int | None:
    """Returns a time, ISO 8601 or seconds since 1970, in milliseconds since 1970."""
    if time is None:
        return None
    return round(1000 * (datetime.fromisoformat(time).timestamp() if isinstance(time, str) else time))
