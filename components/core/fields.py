"""Typed reading of JSON objects that may come from anywhere; an error names the file, the field and what was found."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from components.core.errors import InputError, nearest

T = TypeVar("T")
_SHOWN = 80  # characters of a wrong value
_LONGEST_TEXT = 20_000  # a binding or the reason of a failure is shorter
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/=-]{0,199}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")
_LARGEST = 2**53  # whole numbers up to here are exact in every JSON


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
        value = self._given(name, default)
        if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
            raise self._wrong(name, value, f"a text of {_LONGEST_TEXT:,} characters at most")
        return value

    def name(self, name: str, default: str | None = None) -> str:
        """Returns a short text of letters, digits and a few signs, such as a fingerprint or an id."""
        value = self.text(name, default)
        if value and not _NAME.fullmatch(value):
            raise self._wrong(name, value, "letters, digits and . _ : + / = -")
        return value

    def one_of(self, name: str, choices: Sequence[str]) -> str:
        """Returns a text that is one of `choices`."""
        value = self.text(name)
        if value not in choices:
            raise self._error(f"'{name}' is {_short(value)}: {nearest(value[:_SHOWN], choices)}")
        return value

    def time(self, name: str) -> str:
        """Returns a time, ISO 8601 with a time zone; "" where it is absent."""
        value = self.text(name, "")
        try:
            is_time = not value or datetime.fromisoformat(value).astimezone(UTC).year > 1970
        except (ValueError, OverflowError):
            is_time = False
        if not is_time:
            raise self._wrong(name, value, "a time, ISO 8601")
        return value

    def whole(self, name: str, default: int | None = None, low: int = -_LARGEST, high: int = _LARGEST) -> int:
        """Returns a whole number from `low` to `high`."""
        value = self._given(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            limits = str(low) if low == high else "a whole number" + _range(low, high)
            raise self._wrong(name, value, limits)
        return value

    def number(self, name: str, default: float | None = None, low: float = -math.inf, high: float = math.inf) -> float:
        """Returns a number from `low` to `high`; without these limits, NaN and infinities are numbers."""
        value = self._given(name, default)
        if not _is_number(value, low, high):
            raise self._wrong(name, value, "a number" + _range(low, high))
        return float(value)

    def finite(self, name: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """Returns a number from `low` to `high`; None where the field is absent, null, NaN or infinite."""
        value = self.number(name, math.nan)
        return self.number(name, None, low, high) if math.isfinite(value) else None

    def texts(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Returns a list of texts."""
        value = self._given(name, default)
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise self._wrong(name, value, "a list of texts")
        if any(len(each) > _LONGEST_TEXT for each in value):
            raise self._wrong(name, value, f"texts of {_LONGEST_TEXT:,} characters at most")
        return tuple(value)

    def numbers(
        self,
        name: str,
        default: tuple[float, ...] | None = None,
        low: float = -math.inf,
        high: float = math.inf,
    ) -> tuple[float, ...]:
        """Returns a list of numbers, limited as in `number`."""
        value = self._given(name, default)
        if not isinstance(value, list | tuple) or not all(_is_number(each, low, high) for each in value):
            raise self._wrong(name, value, f"a list of numbers{_range(low, high)}")
        return tuple(float(each) for each in value)

    def text_map(self, name: str, keys: str = "", values: str = "") -> dict[str, str]:
        """Returns an object whose values are texts; empty where it is absent.

        Args:
            name: The field.
            keys: Regular expression of the keys; "" for any.
            values: Regular expression of the values; "" for any.
        """
        value = self._given(name, {})
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise self._wrong(name, value, "an object of texts")
        for key, each in value.items():
            if (keys and not re.fullmatch(keys, key)) or (values and not re.fullmatch(values, each)):
                raise self._error(f"'{name}' has {_short(key)}: {_short(each)}, which is not allowed there")
        return dict(value)

    def file_names(self, name: str, suffix: str, kinds: Sequence[str]) -> dict[str, str]:
        """Returns an object whose values are names of files, as in `file_name`; it has at least the keys `kinds`."""
        found = self.required(name)
        return {kind: found.file_name(kind, suffix) for kind in dict.fromkeys([*kinds, *found.values])}

    def file_name(self, name: str, suffix: str) -> str:
        """Returns the name of a file that ends in `suffix`: no directory, and of letters, digits, dot, _ and -."""
        value = self.text(name)
        if not _FILE_NAME.fullmatch(value) or not value.endswith(suffix):
            raise self._wrong(name, value, f"the name of a {suffix} file")
        return value

    def objects(self, name: str) -> list[dict[str, Any]]:
        """Returns a list of objects; empty where it is absent."""
        value = self._given(name, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self._wrong(name, value, "a list of objects")
        return list(value)

    def each(self, name: str, read: Callable[[Fields], T]) -> list[T]:
        """Returns what `read` makes of each object in a list, which must be there."""
        self._given(name, None)
        return [
            read(Fields(each, self._uri, f"{self._what}, in '{name}' {number}"))
            for number, each in enumerate(self.objects(name))
        ]

    def names(self, pattern: str) -> list[str]:
        """Returns the names of all fields, which must match a regular expression."""
        if wrong := [name for name in self.values if not re.fullmatch(pattern, name)]:
            raise self._error(f"it has {_short(wrong[0])}, which is not allowed there")
        return list(self.values)

    def object(self, name: str) -> Fields | None:
        """Returns the fields of an object inside; None where it is absent."""
        value = self.values.get(name)
        return None if value is None else Fields(value, self._uri, f"{self._what}, in '{name}'")

    def required(self, name: str) -> Fields:
        """Returns the fields of an object inside, which must be there."""
        return Fields(self._given(name, None), self._uri, f"{self._what}, in '{name}'")

    def wrong(self, name: str, expected: str) -> InputError:
        """Returns the error for a field whose value is not what is expected."""
        return self._wrong(name, self.values.get(name), expected)

    def _given(self, name: str, default: Any) -> Any:
        value = self.values.get(name)
        value = default if value is None else value
        if value is None:
            raise self._error(f"it has no '{name}'")
        return value

    def _wrong(self, name: str, value: Any, expected: str) -> InputError:
        return self._error(f"'{name}' is {_short(value)}, expected {expected}")

    def _error(self, reason: str) -> InputError:
        return InputError(f"'{self._uri}' is not {self._what}: {reason}")


def _is_number(value: Any, low: float, high: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return (math.isnan(value) and low == -math.inf and high == math.inf) or low <= value <= high


def _range(low: float, high: float) -> str:
    if abs(low) >= _LARGEST:
        return "" if high >= _LARGEST else f" up to {high:g}"
    return f" of {low:g} or above" if high >= _LARGEST else f" from {low:g} to {high:g}"


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
