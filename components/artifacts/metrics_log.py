"""The metrics log of a training, metrics.jsonl: a JSON object a line, for training steps and validations."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from components.core.strict_json import parse_json

METRICS_NAME = "metrics.jsonl"
_MOST_STEPS, _MOST_SECONDS = 2**53, 1e10  # MLflow keeps steps and milliseconds in 64 bits
Line = dict[str, Any]


class MetricsLog:
    """Appends to metrics.jsonl: step, split, total_loss, spectral_loss, seconds since the start, and more.

    Attributes:
        last: The newest line of each split, by split.
    """

    def __init__(self, dir_path: Path, after_step: int = -1, validated_step: int = -1, seconds: float = 0.0) -> None:
        """Opens the file for a training that goes on after `after_step`.

        Args:
            dir_path: The local training directory.
            after_step: See `rewind`.
            validated_step: See `rewind`.
            seconds: What the training took before.
        """
        self._path = dir_path / METRICS_NAME
        self._seconds_before = seconds
        self.start_clock()
        self.last: dict[str, Line] = {}
        self.rewind(after_step, validated_step)

    def start_clock(self) -> None:
        """Leaves out the time since the construction, in which other trainings of the process may have compiled."""
        self._start = time.monotonic() - self._seconds_before

    @property
    def seconds(self) -> float:
        """How long the training took so far, over all its processes."""
        return time.monotonic() - self._start

    def rewind(self, after_step: int, validated_step: int) -> None:
        """Drops what comes again: lines of later steps, and half a line that a killed process left.

        Args:
            after_step: The training goes on after this step; -1 drops all.
            validated_step: The last validation that does not come again; -1 if none.
        """
        until = {"train": after_step, "valid": validated_step}
        kept = [line for line in read_lines(self._path) if line["step"] <= until[line["split"]]]
        draft = self._path.with_suffix(".part")
        with draft.open("w") as stream:
            stream.writelines(json.dumps(line) + "\n" for line in kept)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self._path)
        self.last = {line["split"]: line for line in kept}

    def add(self, step: int, split: str, loss: float, **more: float) -> Line:
        """Appends a line and returns it.

        Args:
            step: Gradient steps behind it.
            split: "train" or "valid".
            loss: The spectral loss, which is the only one, hence the total as well.
            **more: Further numbers, for instance learning_rate.
        """
        rounded = {name: float(f"{value:.6g}") for name, value in {"spectral_loss": loss, **more}.items()}
        line: Line = {
            "step": step,
            "split": split,
            "total_loss": rounded["spectral_loss"],
            **rounded,
            "seconds": round(self.seconds, 3),
        }
        with self._path.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        self.last[split] = line
        return line


def read_lines(path: Path) -> list[Line]:
    """Returns the whole lines of a local metrics.jsonl; none where there is no file."""
    return parse_lines(path.read_text(errors="replace")) if path.exists() else []


def parse_lines(text: str) -> list[Line]:
    """Returns the whole lines of a metrics.jsonl's content; half a line, which a killed process leaves, is dropped.

    So is a line that no training wrote: one without a step or a time, or with anything but numbers.
    """
    lines = []
    for line in text.splitlines():
        try:
            value = parse_json(line)
        except ValueError:
            continue
        if isinstance(value, dict) and value.get("split") in ("train", "valid") and _has_numbers(value):
            lines.append(value)
    return lines


def _has_numbers(line: Line) -> bool:
    """Tells whether a line has a step, and numbers in all fields but the split."""
    numbers = [value for name, value in line.items() if name != "split" and value is not None]
    are_numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in numbers)
    step, seconds = line.get("step"), line.get("seconds")
    has_step = isinstance(step, int) and 0 <= step <= _MOST_STEPS
    return are_numbers and has_step and isinstance(seconds, int | float) and 0 <= seconds <= _MOST_SECONDS  # NaN is not
