"""The curves of a training: metrics.jsonl, and the same numbers for TensorBoard."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

METRICS_NAME = "metrics.jsonl"


class Curves:
    """Appends to metrics.jsonl, a JSON object a line: step, split, total_loss, spectral_loss, seconds since the start.

    Attributes:
        last: The newest line of each split, by split.
    """

    def __init__(self, folder: Path, after_step: int = -1, validated_step: int = -1, seconds: float = 0.0) -> None:
        """Opens the file for a training that goes on after `after_step`; arguments as of `rewind`.

        Args:
            folder: The training directory.
            after_step: See `rewind`.
            validated_step: See `rewind`.
            seconds: What the training took before.
        """
        self._path = folder / METRICS_NAME
        self._start = time.monotonic() - seconds
        self.last: dict[str, dict[str, Any]] = {}
        self.rewind(after_step, validated_step)

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
        kept = [line for line in read(self._path) if line["step"] <= until[line["split"]]]
        draft = self._path.with_suffix(".part")
        with draft.open("w") as stream:
            stream.writelines(json.dumps(line) + "\n" for line in kept)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self._path)
        self.last = {line["split"]: line for line in kept}

    def add(self, step: int, split: str, loss: float, **more: float) -> dict[str, Any]:
        """Appends a line and returns it.

        Args:
            step: Steps of training behind it.
            split: "train" or "valid".
            loss: The spectral loss, which is the only one, hence the total as well.
            **more: Further numbers, for instance learning_rate.
        """
        rounded = {name: float(f"{value:.6g}") for name, value in {"spectral_loss": loss, **more}.items()}
        line: dict[str, Any] = {
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


def read(path: Path) -> list[dict[str, Any]]:
    """Returns the whole lines of a metrics.jsonl; none where there is no file."""
    return lines_of(path.read_text(errors="replace")) if path.exists() else []


def lines_of(text: str) -> list[dict[str, Any]]:
    """Returns the whole lines of a metrics.jsonl's content."""
    lines = []
    for line in text.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue  # half a line: the process was killed while it wrote
    return lines
