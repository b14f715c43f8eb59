"""Reads JSON that may come from anywhere: every defect is a ValueError with one short reason, never another exception.

Python's own reader accepts repeated keys and lone surrogates, which fail later, and raises RecursionError for deep
nesting. NaN and infinities are accepted: files of earlier releases hold them, and their readers decide.
"""

from __future__ import annotations

import codecs
import json
from collections import Counter
from typing import Any

MOST_LEVELS = 64
_LARGEST_WHOLE = 2**63  # Cloud Storage's generations are below
_TOO_LARGE = "it has a whole number of more than 64 bits"


def parse_json(data: bytes | str) -> Any:
    """Returns the value of a JSON text, UTF-8 with or without a byte order mark.

    Raises:
        ValueError: It is not JSON, or it has a repeated key, more than MOST_LEVELS levels, a whole number beyond 64
            bits, or text that is not Unicode.
    """
    text = _decoded(data) if isinstance(data, bytes) else data
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError(f"it has more than {MOST_LEVELS} levels") from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:  # Python reads no number of thousands of digits, and says how to change that
        raise ValueError(_TOO_LARGE if "integer string conversion" in str(error) else str(error)) from None
    _check(value)
    return value


def _decoded(data: bytes) -> str:
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"it has the key {twice[:80]!r} more than once")
    return found


def _check(value: Any) -> None:
    left = [(value, 1)]
    while left:
        each, level = left.pop()
        if isinstance(each, dict | list):
            if level > MOST_LEVELS:
                raise ValueError(f"it has more than {MOST_LEVELS} levels")
            inner = [*each, *each.values()] if isinstance(each, dict) else each
            left += [(item, level + 1) for item in inner]
        elif isinstance(each, str):
            _check_text(each)
        elif isinstance(each, int) and abs(each) > _LARGEST_WHOLE:
            raise ValueError(_TOO_LARGE)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"it has text that is not Unicode: {text[:80]!r}") from None
