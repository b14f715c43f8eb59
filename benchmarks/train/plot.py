"""Draws the held-out loss over training time: a panel for each synth, readable without colour."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt

matplotlib.use("Agg")

from matplotlib import pyplot as plt

Array = npt.NDArray[np.floating[Any]]
# Line, hatching and colour (blue and orange that colour-blind eyes tell apart), in the order of the bands.
_STYLES: tuple[dict[str, Any], ...] = (
    {"line": {"color": "#0b4f8a", "linestyle": "-"}, "band": {"facecolor": "#0b4f8a", "alpha": 0.25}},
    {
        "line": {"color": "#b35806", "linestyle": "--"},
        "band": {"facecolor": "none", "edgecolor": "#d69a5b", "hatch": "////"},
    },
)


@dataclass(frozen=True)
class Band:
    """Several trainings of one kind.

    Attributes:
        name: Whose they are.
        losses: [trainings, times].
    """

    name: str
    losses: Array


def draw(path: Path, times: Array, panels: dict[str, list[Band]]) -> None:
    """Draws means as lines and ranges as bands.

    Args:
        path: The PNG.
        times: In seconds.
        panels: By synth, two bands.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(10, 3.6), sharey=True, layout="constrained", squeeze=False)
    for axis, (synth, bands) in zip(axes[0], panels.items(), strict=True):
        for band, style in zip(bands, _STYLES, strict=True):
            low, mean, high = band.losses.min(0), band.losses.mean(0), band.losses.max(0)
            axis.fill_between(times, low, high, linewidth=0, **style["band"])
            axis.plot(times, mean, linewidth=2, label=f"{band.name}: {mean[-1]:.2f} at the end", **style["line"])
        axis.set(title=synth, xlabel="seconds of training", yscale="log", xlim=(0, times[-1]))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
        axis.grid(which="both", color="#dddddd", linewidth=0.6)
        axis.legend(frameon=False, loc="upper right", handlelength=3)
    axes[0][0].set_ylabel("held-out spectral loss")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
