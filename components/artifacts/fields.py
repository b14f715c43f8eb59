"""Typed reading of JSON objects that may come from anywhere; an error names the file, the field and what was found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from components.core.errors import InputError

T = TypeVar("T")
_SHOWN = 80  # characters of a wrong value


class Fields:
    """The fields of one JSON object. A field that is absent or null takes its default; without one it is an error."""

    def __init__(self, values: Any, uri: str, what: str) -> None:
        """Takes an object.

        Args:
            values: What was read.
            uri: The file, for errors.
            what: What the file should be, for errors: "a training's run.json".

        Raises:
            InputError: It is not a JSON object.
        """
        self._uri, self._what = uri, what
        if not isinstance(values, dict):
            raise self._error(f"got {_short(values)}, expected a JSON object")
        self.values: Mapping[str, Any] = values

    def text(self, name: str, default: str | None = None) -> str:
        """Returns a text."""
        return self._of_type(name, str, "a text", default)

    def whole(self, name: str, default: int | None = None) -> int:
        """Returns a whole number."""
        value = self._given(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(name, value, "a whole number")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Returns a number; NaN and infinities are numbers."""
        value = self._given(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(name, value, "a number")
        return float(value)

    def finite(self, name: str) -> float | None:
        """Returns a number; None where the field is absent, null, NaN or infinite."""
        value = self.number(name, math.nan)
        return value if math.isfinite(value) else None

    def texts(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Returns a list of texts."""
        value = self._given(name, default)
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise self._wrong(name, value, "a list of texts")
        return tuple(value)

    def numbers(self, name: str, default: tuple[float, ...] | None = None) -> tuple[float, ...]:
        """Returns a list of numbers."""
        value = self._given(name, default)
        if not isinstance(value, list | tuple) or any(
            isinstance(each, bool) or not isinstance(each, int | float) for each in value
        ):
            raise self._wrong(name, value, "a list of numbers")
        return tuple(float(each) for each in value)

    def text_map(self, name: str) -> dict[str, str]:
        """Returns an object whose values are texts; empty where it is absent."""
        value = self._given(name, {})
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise self._wrong(name, value, "an object of texts")
        return dict(value)

    def objects(self, name: str) -> list[dict[str, Any]]:
        """Returns a list of objects; empty where it is absent."""
        value = self._given(name, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self._wrong(name, value, "a list of objects")
        return list(value)

    def object(self, name: str) -> Fields | None:
        """Returns the fields of an object inside; None where it is absent."""
        value = self.values.get(name)
        return None if value is None else Fields(value, self._uri, f"{self._what}, in '{name}'")

    def wrong(self, name: str, expected: str) -> InputError:
        """Returns the error for a field whose value is not what is expected."""
        return self._wrong(name, self.values.get(name), expected)

    def _given(self, name: str, default: Any) -> Any:
        value = self.values.get(name)
        value = default if value is None else value
        if value is None:
            raise self._error(f"it has no '{name}'")
        return value

    def _of_type(self, name: str, kind: type[T], expected: str, default: T | None) -> T:
        value = self._given(name, default)
        if not isinstance(value, kind):
            raise self._wrong(name, value, expected)
        return value

    def _wrong(self, name: str, value: Any, expected: str) -> InputError:
        return self._error(f"'{name}' is {_short(value)}, expected {expected}")

    def _error(self, reason: str) -> InputError:
        return InputError(f"'{self._uri}' is not {self._what}: {reason}")


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
