"""Line plots for inline SVG: computes the positions. The templates and the style sheet define the look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

_MAX_POINTS = 240


@dataclass(frozen=True)
class Line:
    """A curve: its SVG path, its classes in the style sheet, and a label at (label_x, label_y) if it has one."""

    path: str
    style: str
    label: str = ""
    label_x: float = 0.0
    label_y: float = 0.0


@dataclass(frozen=True)
class Plot:
    """A plot of width x height units. Ticks are (position, text)."""

    title: str
    description: str
    width: float
    height: float
    lines: list[Line]
    y_ticks: list[tuple[float, str]]
    x_ticks: list[tuple[float, str]]
    legend: str = ""


@dataclass(frozen=True)
class Series:
    """The values of a curve; NaN leaves a gap."""

    x: Array
    y: Array
    style: str
    label: str = ""


@dataclass(frozen=True)
class Axis:
    """Maps values from `low` to `high` to positions from `start` to `end`; `ticks` are the values to mark."""

    low: float
    high: float
    start: float
    end: float
    ticks: Sequence[tuple[float, str]] = ()

    def at(self, values: Array) -> Array:
        """Returns the positions of values; values out of range are at the edge."""
        share = (np.clip(values, self.low, self.high) - self.low) / (self.high - self.low)
        position: Array = self.start + share * (self.end - self.start)
        return position

    def marks(self) -> list[tuple[float, str]]:
        """Returns the ticks at their positions."""
        return [(round(float(self.at(np.array(value))), 1), text) for value, text in self.ticks]


def path(x: Array, y: Array) -> str:
    """Returns the SVG path through the points, interrupted where y is NaN. x, y: f[points], in units of the plot."""
    parts, pen_down = [], False
    for at_x, at_y in zip(x, y, strict=True):
        if np.isfinite(at_y):
            parts.append(f"{'L' if pen_down else 'M'}{at_x:.1f} {at_y:.1f}")
        pen_down = bool(np.isfinite(at_y))
    return "".join(parts)


def draw(series: Sequence[Series], x_axis: Axis, y_axis: Axis) -> list[Line]:
    """Returns the series as lines; a label stands at its line's last point."""
    lines = []
    for one in series:
        x, y = x_axis.at(one.x), y_axis.at(one.y)
        label_y = float(y[np.isfinite(y)][-1]) if one.label and np.isfinite(y).any() else 0.0
        lines.append(Line(path(x, y), one.style, one.label, float(x[-1]) if len(x) else 0.0, label_y))
    return lines


def over_time(
    title: str, description: str, series: Sequence[tuple[Array, str]], y_axis: Axis, legend: str, height: float = 72
) -> Plot:
    """Returns a small plot over the whole length of a note.

    Args:
        title: What is drawn.
        description: Text alternative.
        series: (values f[frames], style) pairs.
        y_axis: Its positions are ignored: the plot's height is used.
        legend: The meaning of the line styles.
        height: Of the plot; the width is 300.
    """
    axis = Axis(y_axis.low, y_axis.high, height - 3.0, 3.0, y_axis.ticks)
    shown = [Series(_times(values), _thinned(values), style) for values, style in series]
    lines = draw(shown, Axis(0, 1, 0, 300), axis)
    return Plot(title, description, 300, height, lines, axis.marks(), [], legend)


def _times(values: Array) -> Array:
    return np.linspace(0.0, 1.0, len(_thinned(values)))


def _thinned(values: Array) -> Array:
    return values[:: max(1, len(values) // _MAX_POINTS)]


def binned(x: Array, y: Array) -> tuple[Array, Array]:
    """Returns the means of at most 240 bins of a long curve. x, y: f[points]."""
    bins = min(len(x), _MAX_POINTS)
    pairs = zip(np.array_split(x, bins), np.array_split(y, bins), strict=True)
    means = [(part_x.mean(), part_y.mean()) for part_x, part_y in pairs]
    return np.array([mean[0] for mean in means]), np.array([mean[1] for mean in means])


def nice_ticks(low: float, high: float, about: int) -> list[tuple[float, str]]:
    """Returns some `about` round numbers between low and high, with their texts."""
    raw = max(high - low, 1e-9) / about
    magnitude = 10.0 ** np.floor(np.log10(raw))
    step = float(magnitude * next(factor for factor in (1, 2, 5, 10) if factor * magnitude >= raw * 0.999))
    values = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    return [(float(value), f"{value:,.10g}") for value in values]


def log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Returns round numbers between low and high for a logarithmic axis: 1, 2, 5, 10, 20 ...

    Evenly spaced ones where fewer than three of these are in the range.
    """
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    values = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
    inside = [(value, f"{value:,.10g}") for value in values if low <= value <= high]
    return inside if len(inside) > 2 else nice_ticks(low, high, 4)


def spread_labels(lines: Sequence[Line], gap: float, lowest: float) -> list[Line]:
    """Moves labels apart vertically, so that none overlaps another or leaves the plot below `lowest`."""
    labelled = sorted((line for line in lines if line.label), key=lambda line: line.label_y)
    positions: dict[str, float] = {}
    previous = -gap
    for line in labelled:
        previous = max(line.label_y, previous + gap)
        positions[line.label] = previous
    overflow = max(0.0, previous - lowest)
    return [
        Line(line.path, line.style, line.label, line.label_x, positions[line.label] - overflow) if line.label else line
        for line in lines
    ]
