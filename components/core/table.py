"""Tables of commands that list: columns of equal width for people, or the same as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_LONG = (("d", 86400), ("h", 3600), ("m", 60))


def table(rows: Iterable[Sequence[str]]) -> str:
    """Returns rows, the first with the names of the columns, as aligned text; "" for no rows.

    Line breaks and control characters in a cell become blanks, since cells may have text of a server.
    """
    cleaned = [[_cell(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cleaned, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cleaned)
    return "\n".join(line.rstrip() for line in lines)


def as_json(items: Sequence[Mapping[str, Any]]) -> str:
    """Returns a list of objects as JSON."""
    return json.dumps(list(items), indent=1, ensure_ascii=False)


def duration(seconds: float) -> str:
    """Returns a duration like kubectl: "45s", "12m", "5h", "3d"."""
    for unit, length_s in _LONG:
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f}{unit}"
    return f"{max(seconds, 0.0):.0f}s"


def _cell(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
