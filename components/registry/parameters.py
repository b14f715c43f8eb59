"""Nested records as the flat names and values that MLflow keeps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gin import config_parser


class _AsWritten(config_parser.ParserDelegate):  # type: ignore[misc]  # gin has no type information
    """Keeps references and macros as the text they are, so that parsing needs none of the configurables."""

    def configurable_reference(self, scoped_name: str, evaluate: bool) -> str:
        return f"@{scoped_name}{'()' if evaluate else ''}"

    def macro(self, scoped_name: str) -> str:
        return f"%{scoped_name}"


def gin_parameters(text: str) -> dict[str, str]:
    """Returns the bindings of a gin file: {"Adam.learning_rate": "0.001", "Autoencoder.decoder": "@RnnDecoder()"}."""
    found = {}
    for statement in config_parser.ConfigParser(text, _AsWritten()):
        if isinstance(statement, config_parser.BindingStatement):
            name = ".".join(part for part in (statement.selector, statement.arg_name) if part)
            found[f"{statement.scope}/{name}" if statement.scope else name] = str(statement.value)
    return found


def numbers(nested: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    """Yields the finite numbers in nested dictionaries by path: ("f0_cents/mean", 8.5). Anything else is skipped."""
    if isinstance(nested, dict):
        for key, value in nested.items():
            yield from numbers(value, (*path, str(key)))
    elif isinstance(nested, (int, float)) and not isinstance(nested, bool) and math.isfinite(nested):
        yield "/".join(path), float(nested)


def milliseconds(time: str | float | None) -> int | None:
    """Returns a time, ISO 8601 or seconds since 1970, as MLflow counts it: in milliseconds since 1970."""
    if time is None:
        return None
    return round(1000 * (datetime.fromisoformat(time).timestamp() if isinstance(time, str) else time))
