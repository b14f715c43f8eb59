"""A training's curves, settings and times in the form that MLflow keeps: metric points, flat parameters, milliseconds.

Nothing here imports MLflow, which takes seconds.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

EXPERIMENT = "luthier"
"""MLflow's experiment for the runs of trainings."""

RUNS_VIEW = "luthier"
"""The key of the experiment's shared view, which shows families, synths and losses as columns."""
_COLUMN_PIXELS = {
    "attributes.`Run Name`": 262,
    "tags.`family`": 85,
    "metrics.`held_out_spectral_loss`": 165,
    "metrics.`valid_loss`": 90,
    "metrics.`held_out_log_mel_distance_db`": 200,
    "metrics.`held_out_loudness_error_db`": 200,
    "tags.`synth`": 95,
    "tags.`preset`": 85,
}

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


def run_name(run_id: str, training_name: str) -> str:
    """Returns the name of a training's MLflow run, "string-harmonic run-1": MLflow's charts cut names at the end."""
    return f"{training_name} {run_id}"


def experiment_tags(experiment_id: str) -> dict[str, str]:
    """Returns the tags that make MLflow's pages show what a reader of trainings looks for.

    They are of MLflow 3's own interface: the kind of experiment; a shared view, with its columns; and the description,
    with a link to that view. (3.17 opens on its pages for generative AI, until a link or its switch chooses otherwise.)

    Args:
        experiment_id: The experiment's id.
    """
    columns = list(_COLUMN_PIXELS)[1:]
    state = {"selectedColumns": columns, "columnWidths": _COLUMN_PIXELS, "columnOrder": list(_COLUMN_PIXELS)}
    view = zlib.compress(json.dumps(state).encode())
    link = f"#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={RUNS_VIEW}"
    return {
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{RUNS_VIEW}": f"deflate;{base64.b64encode(view).decode()}",
        "mlflow.note.content": f"Trainings of Luthier. [Families, synths and losses of all runs]({link})",
    }


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
