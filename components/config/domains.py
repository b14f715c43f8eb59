"""Domains: the values that a parameter may have, with the words for error messages.

A value is what `gin_text.parse` returns: a literal, or a Reference or Macro as written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from components.config.gin_text import Reference

_SHOWN = 60


class Domain(Protocol):
    """The values that a parameter may have."""

    @property
    def expected(self) -> str:
        """The values in words: "a whole number from 1 to 16"."""
        ...

    def accepts(self, value: Any) -> bool:
        """Tells whether a value is one of them."""
        ...


@dataclass(frozen=True)
class Whole:
    """Whole numbers from `low` to `high`, multiples of `step`."""

    low: int
    high: int
    step: int = 1

    @property
    def expected(self) -> str:
        what = "a whole number" if self.step == 1 else f"a multiple of {self.step}"
        return f"{what} from {self.low:,} to {self.high:,}"

    def accepts(self, value: Any) -> bool:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return is_whole and self.low <= value <= self.high and value % self.step == 0


@dataclass(frozen=True)
class Real:
    """Finite numbers from `low` to `high`; with `above`, without `low` itself."""

    low: float
    high: float
    above: bool = False

    @property
    def expected(self) -> str:
        if self.above:
            return f"a number above {_number(self.low)}, up to {_number(self.high)}"
        return f"a number from {_number(self.low)} to {_number(self.high)}"

    def accepts(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False  # NaN as well
        return math.isfinite(value) and not (self.above and value == self.low)


@dataclass(frozen=True)
class Flag:
    """True or False."""

    expected: str = "True or False"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, bool)


@dataclass(frozen=True)
class OneOf:
    """Some texts."""

    values: tuple[str, ...]

    @property
    def expected(self) -> str:
        return f"one of {', '.join(self.values)}"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) and not isinstance(value, Reference) and value in self.values


@dataclass(frozen=True)
class Name:
    """Names of layers and tensors, such as "filtered_noise/signal"."""

    expected: str = "a name of letters, digits, _ and /"

    def accepts(self, value: Any) -> bool:
        is_text = isinstance(value, str) and not isinstance(value, Reference)
        return is_text and re.fullmatch(r"[A-Za-z0-9_/]{1,64}", value) is not None


@dataclass(frozen=True)
class Refers:
    """References to configurables by any of these names: functions "@core.exp_sigmoid", or calls "@processors.Add()".

    Attributes:
        names: The configurables, as written.
        called: Whether the reference calls them.
        or_none: Whether None is accepted.
    """

    names: tuple[str, ...]
    called: bool = True
    or_none: bool = False

    @property
    def references(self) -> tuple[str, ...]:
        """The references, as written."""
        return tuple(f"@{name}{'()' if self.called else ''}" for name in self.names)

    @property
    def expected(self) -> str:
        return f"one of {', '.join([*self.references, *(['None'] if self.or_none else [])])}"

    def accepts(self, value: Any) -> bool:
        return (self.or_none and value is None) or (isinstance(value, Reference) and value in self.references)


@dataclass(frozen=True)
class Nothing:
    """None only."""

    expected: str = "None"

    def accepts(self, value: Any) -> bool:
        return value is None


@dataclass(frozen=True)
class Each:
    """Lists or tuples of `least` to `most` values of one domain."""

    of: Domain
    least: int
    most: int

    @property
    def expected(self) -> str:
        return f"a tuple of {self.least} to {self.most} values, each {self.of.expected}"

    def accepts(self, value: Any) -> bool:
        is_list = isinstance(value, list | tuple) and self.least <= len(value) <= self.most
        return is_list and all(map(self.of.accepts, value))


@dataclass(frozen=True)
class Row:
    """Lists or tuples with one value of each domain, such as ('amps', 1)."""

    of: tuple[Domain, ...]

    @property
    def expected(self) -> str:
        return f"({', '.join(each.expected for each in self.of)})"

    def accepts(self, value: Any) -> bool:
        is_row = isinstance(value, list | tuple) and len(value) == len(self.of)
        return is_row and all(domain.accepts(each) for domain, each in zip(self.of, value, strict=True))


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def shown(value: Any) -> str:
    """Returns a value for an error message: on one line, and shortened."""
    text = " ".join(_text(value).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _text(value: Any) -> str:
    """Returns a literal as gin writes it; no text for what a user did not write is built in full."""
    if isinstance(value, Reference):
        return str(value)
    if isinstance(value, str):
        return repr(value[: _SHOWN + 1])
    if isinstance(value, int) and value.bit_length() > 256:
        return "a number of more than 77 digits"
    if isinstance(value, Sequence):
        inner = ", ".join(_text(each) for each in value[:_SHOWN])
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else ''})"
    return repr(value)
