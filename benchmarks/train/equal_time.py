"""Equal training time: Luthier and ddsp train on the string notes equally long; compared by the loss on held-out notes.

Every synth, some seeds, Luthier and ddsp in turns, each in a process of its own; see benchmarks/train/learning.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.process import run_function
from benchmarks.timing import Contender, Run, alternate
from benchmarks.train import samples
from benchmarks.train.learning import MARKS
from benchmarks.train.part import Figure, Part
from benchmarks.train.plot import Band, draw
from components.config.catalog import SYNTHS
from components.telemetry import progress

Array = npt.NDArray[np.floating[Any]]
Points = dict[str, list[list[list[float]]]]  # by "ours" and "peer": a curve of [seconds, steps, loss] for each seed
_PRESET = "seed"
_NAMES = {"ours": "Luthier", "peer": "ddsp"}


@dataclass(frozen=True)
class Curves:
    """The held-out losses of one synth's trainings.

    Attributes:
        losses: Of "ours" and "peer", at the same times, [seeds, times].
        steps: Of the same, how many steps they did, [seeds].
    """

    losses: dict[str, Array]
    steps: dict[str, list[int]]

    @property
    def wins(self) -> int:
        """The number of seeds in which Luthier ends with the lower loss."""
        return int(np.sum(self.losses["ours"][:, -1] < self.losses["peer"][:, -1]))

    @property
    def verdict(self) -> str:
        """Returns whether Luthier's loss is lower for each seed."""
        seeds = len(self.losses["ours"])
        return f"lower in each seed {'met' if self.wins == seeds else f'MISSED ({self.wins} of {seeds})'}"


def measure(folder: Path, seconds: float, seeds: int, picture: Path) -> Part:
    """Trains, draws the curves, and compares their ends.

    Args:
        folder: A scratch folder.
        seconds: How long each training is, its start not counted.
        seeds: How many trainings of each.
        picture: Where the plot goes.
    """
    data, times = samples.sorted_samples(folder), np.linspace(0, seconds, MARKS + 1)
    with progress.bar("equal time", 2 * seeds * len(SYNTHS), "trainings") as bar:
        points = {synth: _points(synth, data, folder, seconds, seeds, bar) for synth in SYNTHS}
    curves = {synth: _curves(found, times) for synth, found in points.items()}
    bands = {
        synth: [Band(name, found.losses[which]) for which, name in _NAMES.items()] for synth, found in curves.items()
    }
    draw(picture, times, bands)
    figures = dict[str, dict[str, float]]()
    for synth, found in curves.items():
        ours, peer = (float(found.losses[which][:, -1].mean()) for which in _NAMES)
        figures |= Figure(f"equal-time-{_PRESET}-{synth}", "loss", ours, peer).json()
    return Part(figures, _markdown(curves, times, seeds, picture), {"seconds": seconds, "curves": points})


def _points(synth: str, data: Path, folder: Path, seconds: float, seeds: int, bar: progress.Bar) -> Points:
    """Returns the curve of every training of a synth."""
    points: Points = {which: [] for which in _NAMES}

    def train(which: str) -> Run:
        result, seed = folder / "curve.json", len(points[which])
        run = run_function("benchmarks.train.learning:learn", which, synth, _PRESET, seed, seconds, data, result)
        points[which].append(json.loads(result.read_text()))
        _, steps, loss = points[which][-1][-1]
        bar.advance(note=f"{synth}, seed {seed}, {_NAMES[which]}: {loss:.2f} after {steps} steps")
        return run

    alternate([Contender(which, partial(train, which)) for which in _NAMES], seeds)
    return points


def _curves(points: Points, times: Array) -> Curves:
    losses, steps = dict[str, Array](), dict[str, list[int]]()
    for which, trainings in points.items():
        losses[which] = np.array([np.interp(times, *np.array(curve)[:, [0, 2]].T) for curve in trainings])
        steps[which] = [int(curve[-1][1]) for curve in trainings]
    return Curves(losses, steps)


def _markdown(curves: dict[str, Curves], times: Array, seeds: int, picture: Path) -> str:
    lines = [
        f"Preset `{_PRESET}`, {times[-1]:.0f} s of training each, {seeds} seeds; means, in brackets the lowest and the "
        "highest. 'as low after' is when Luthier's mean is first below where ddsp's mean ends.",
        "",
        "| synth | steps, Luthier | steps, ddsp | loss, Luthier | loss, ddsp | as low after | asked |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for synth, found in curves.items():
        steps = [f"{np.mean(found.steps[which]):,.0f}" for which in _NAMES]
        losses = [_ends(found.losses[which]) for which in _NAMES]
        lines.append(f"| {synth} | {' | '.join([*steps, *losses])} | {_as_low_after(found, times)} | {found.verdict} |")
    return "\n".join([*lines, "", f"![Held-out loss over training time, Luthier and ddsp]({picture.name})"])


def _ends(losses: Array) -> str:
    return f"{losses[:, -1].mean():.2f} ({losses[:, -1].min():.2f}-{losses[:, -1].max():.2f})"


def _as_low_after(curves: Curves, times: Array) -> str:
    below = np.flatnonzero(curves.losses["ours"].mean(0) <= curves.losses["peer"][:, -1].mean())
    return f"{times[below[0]]:.0f} s" if len(below) else "never"
