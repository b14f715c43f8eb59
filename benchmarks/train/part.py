"""The result of a part of the training benchmark, and its output."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import report

_FACTS = ("CPU", "libraries", "commit", "date", "load at the start (1, 5, 15 min)")


@dataclass(frozen=True)
class Part:
    """The result of a part.

    Attributes:
        figures: Of train.json: by name, ours_<unit>, peer_<unit> and their ratio.
        markdown: For the page.
        details: Of train-details.json: all that was measured.
    """

    figures: dict[str, dict[str, float]]
    markdown: str
    details: dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """Two numbers that are not times; lower is better.

    Attributes:
        name: Its key in the JSON.
        unit: What is counted: "bytes", "loss".
        ours: Our number.
        peer: The peer's, or what was asked.
    """

    name: str
    unit: str
    ours: float
    peer: float

    @property
    def verdict(self) -> str:
        """Returns whether Luthier's number is at most the peer's."""
        return "met" if self.ours <= self.peer else "MISSED"

    def json(self) -> dict[str, dict[str, float]]:
        """Returns the entry of train.json."""
        values = {f"ours_{self.unit}": self.ours, f"peer_{self.unit}": self.peer, "ratio": self.peer / self.ours}
        return {self.name: {name: round(value, 6) for name, value in values.items()}}


def save(name: str, part: Part, facts: dict[str, str], out: Path, page: Path | None) -> None:
    """Adds the figures of a part to those of the other parts, and replaces its block of the page.

    Args:
        name: The part's.
        part: Its result.
        facts: The machine it was measured on; see machine.describe.
        out: The folder of train.json.
        page: Has the block "bench-train-<name>"; None leaves it.
    """
    _replace(out / "train.json", part.figures, earlier=_names(out / "train-details.json", name))
    details = {"machine": facts, "figures": list(part.figures), **part.details}
    _replace(out / "train-details.json", {name: details}, earlier=[name])
    if page:
        where = f"Measured on {'; '.join(f'{key}: {facts[key]}' for key in _FACTS if key in facts)}."
        report.replace_block(page, f"bench-train-{name}", f"{part.markdown}\n\n{where}")


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}


def _names(details: Path, part: str) -> list[str]:
    """Returns the last figures of a part."""
    names: list[str] = _read(details).get(part, {}).get("figures", [])
    return names


def _replace(path: Path, entries: dict[str, Any], earlier: list[str]) -> None:
    kept = {name: value for name, value in _read(path).items() if name not in earlier}
    report.write_json(path, {**kept, **entries})
