"""The curves of a training: metrics.jsonl, and the same numbers for TensorBoard."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

METRICS_NAME = "metrics.jsonl"


class Curves:
    """Appends to metrics.jsonl, a JSON object a line: step, split, total_loss, spectral_loss, seconds since the start.

    Attributes:
        last: The newest line of each split, by split.
        first_valid_loss: The spectral loss of the first validation, before any step; NaN before it.
    """

    def __init__(self, folder: Path, after_step: int) -> None:
        """Opens the file for a training that goes on after `after_step`.

        Lines of later steps, and half a line that a killed process left, are dropped: those steps come again. A
        training from the start (-1) drops all.
        """
        self._path = folder / METRICS_NAME
        kept = [line for line in read(self._path) if line["step"] <= after_step]
        self._replace(kept)
        self.last: dict[str, dict[str, Any]] = {line["split"]: line for line in kept}
        losses = [line["spectral_loss"] for line in kept if line["split"] == "valid"]
        self.first_valid_loss: float = losses[0] if losses else math.nan
        seconds_before = max((line["seconds"] for line in kept), default=0.0)
        self._start = time.monotonic() - seconds_before

    def add(self, step: int, split: str, loss: float, **more: float) -> dict[str, Any]:
        """Appends a line and returns it.

        Args:
            step: Steps of training behind it.
            split: "train" or "valid".
            loss: The spectral loss, which is the only one, hence the total as well.
            **more: Further numbers, for instance learning_rate.
        """
        seconds = round(time.monotonic() - self._start, 3)
        rounded = {name: float(f"{value:.6g}") for name, value in {"spectral_loss": loss, **more}.items()}
        line: dict[str, Any] = {
            "step": step,
            "split": split,
            "total_loss": rounded["spectral_loss"],
            **rounded,
            "seconds": seconds,
        }
        with self._path.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        self.last[split] = line
        if split == "valid" and math.isnan(self.first_valid_loss):
            self.first_valid_loss = line["spectral_loss"]
        return line

    def _replace(self, lines: list[dict[str, Any]]) -> None:
        draft = self._path.with_suffix(".part")
        with draft.open("w") as stream:
            stream.writelines(json.dumps(line) + "\n" for line in lines)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self._path)


def read(path: Path) -> list[dict[str, Any]]:
    """Returns the whole lines of a metrics.jsonl; none where there is no file."""
    lines = []
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue  # half a line: the process was killed while it wrote
    return lines
