"""A training's curves as MLflow's points: the same ones while it trains and when it is registered."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

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
        """What makes it the same point: a step that was undone comes again with another value."""
        return self.name, self.step, self.value


def points(lines: Iterable[dict[str, Any]], started_ms: int) -> list[Point]:
    """Returns the points of metrics.jsonl's lines.

    Args:
        lines: The lines.
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
