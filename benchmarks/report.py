"""The output of a benchmark: JSON for programs, a table for the terminal, a block of a documentation page."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.timing import Series


@dataclass(frozen=True)
class Row:
    """One comparison. ratio = peer / ours: above 1, Luthier is faster.

    Attributes:
        name: Its key in the JSON.
        ours: Our seconds.
        peer: The peer's seconds for the same.
        what: What is compared, in words.
        required: The ratio that is asked of us; None where the row only informs.
    """

    name: str
    ours: Series
    peer: Series
    what: str
    required: float | None = None

    @property
    def ratio(self) -> float:
        """The peer's median seconds by ours."""
        return self.peer.median_s / self.ours.median_s

    @property
    def verdict(self) -> str:
        """Returns the requirement and whether it is met."""
        if self.required is None:
            return ""
        return f">= {self.required:.1f} " + ("met" if self.ratio >= self.required else "MISSED")


@dataclass(frozen=True)
class Measured:
    """The result of a part of a benchmark.

    Attributes:
        rows: The comparisons.
        runs: The medians of what was run, by name (see timing.medians): for calculations that build on them.
    """

    rows: list[Row]
    runs: dict[str, dict[str, float]]

    def __add__(self, other: Measured) -> Measured:
        return Measured([*self.rows, *other.rows], self.runs | other.runs)


def median(values: Sequence[float]) -> float:
    """Returns the median."""
    return statistics.median(values)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON atomically, by a temporary name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(value, indent=1) + "\n")
    partial.replace(path)


def rows_json(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Returns {name: {ours_s, peer_s, ratio}}."""
    return {
        row.name: {
            "ours_s": round(row.ours.median_s, 6),
            "peer_s": round(row.peer.median_s, 6),
            "ratio": round(row.ratio, 6),
        }
        for row in rows
    }


def print_rows(title: str, rows: Sequence[Row]) -> None:
    """Prints the rows as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table("row", "ours s", "peer s", "ratio", "asked", "what", title=title, caption="ratio = peer / ours")
    for row in rows:
        table.add_row(row.name, str(row.ours), str(row.peer), f"{row.ratio:.2f}", row.verdict, row.what)
    Console(width=None if Console().is_terminal else 200).print(table)


def rows_markdown(rows: Sequence[Row]) -> str:
    """Returns the rows as a Markdown table: medians, with the smallest and the largest."""
    lines = ["| row | ours, s | peer, s | ratio | asked | what |", "| --- | --- | --- | --- | --- | --- |"]
    lines += [
        f"| `{row.name}` | {row.ours} | {row.peer} | {row.ratio:.2f} | {row.verdict} | {row.what} |" for row in rows
    ]
    return "\n".join(lines)


def facts_markdown(facts: dict[str, str]) -> str:
    """Returns the machine's description as a Markdown table."""
    return "\n".join(["| machine | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in facts.items())])


def replace_block(page: Path, name: str, text: str) -> None:
    """Replaces the text between the marks <!-- begin NAME --> and <!-- end NAME --> of a page.

    Raises:
        ValueError: The page has no such marks.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    before, found, rest = page.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"'{page}' has no block '{name}', expected the marks {begin} and {end}")
    page.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}")
