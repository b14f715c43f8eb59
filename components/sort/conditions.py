"""The conditions of `--where`: which records a sort takes, by pitch, velocity and source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from components.core.errors import InputError, nearest
from components.nsynth.families import SOURCES

_HIGHEST_MIDI = 127
_MOST_DIGITS = 20  # more are no number of anything, and Python refuses those of thousands of digits
_FIELDS = {"pitch": "pitch", "velocity": "velocity", "source": "instrument/source"}  # in --where -> in a record
_CONDITION = re.compile(r"\s*(?P<field>\w+)\s*(?P<operator>>=|<=|=)\s*(?P<values>[^\s=<>][^=<>]*?)\s*")
_EXAMPLES = "for instance pitch=40..60, velocity>=64 or source=acoustic,electronic"


@dataclass(frozen=True)
class Condition:
    """One condition on one field.

    Attributes:
        text: The condition in its canonical form, the same for the same meaning: "pitch=40..60".
        key: The field's key in a record.
        ranges: Lowest and highest value of each allowed range, both included.
    """

    text: str
    key: str
    ranges: tuple[tuple[int, int], ...]

    def allows(self, value: int) -> bool:
        """Tells whether a record with this value is taken."""
        return any(low <= value <= high for low, high in self.ranges)


def parse_conditions(texts: Sequence[str]) -> tuple[Condition, ...]:
    """Parses the conditions of `--where`; all of them must hold. InputError for a malformed one."""
    return tuple(sorted((_parse(text) for text in texts), key=lambda condition: condition.text))


def _parse(text: str) -> Condition:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise InputError(f"--where is '{text}': expected a field, =, >= or <=, and values, {_EXAMPLES}")
    field, operator, values = match["field"], match["operator"], match["values"]
    if field not in _FIELDS:
        raise InputError(f"--where is '{text}': there is no field '{field}': {nearest(field, _FIELDS)}")
    if field == "source":
        if operator != "=":
            raise InputError(f"--where is '{text}': sources have no order; expected source={values}")
        ranges = [_source_range(text, name.strip()) for name in values.split(",")]
        names = ",".join(SOURCES[low] for low, _ in sorted(set(ranges)))
        return Condition(f"source={names}", _FIELDS[field], tuple(sorted(set(ranges))))
    if operator == "=":
        ranges = [_number_range(text, part) for part in values.split(",")]
    else:
        value = _number(text, values)
        ranges = [(value, _HIGHEST_MIDI) if operator == ">=" else (0, value)]
    joined = ",".join(f"{low}..{high}" for low, high in sorted(set(ranges)))
    return Condition(f"{field}={joined}", _FIELDS[field], tuple(sorted(set(ranges))))


def _source_range(text: str, name: str) -> tuple[int, int]:
    if name not in SOURCES:
        raise InputError(f"--where is '{text}': there is no source '{name}': {nearest(name, SOURCES)}")
    return SOURCES.index(name), SOURCES.index(name)


def _number_range(text: str, part: str) -> tuple[int, int]:
    low, dots, high = part.partition("..")
    first = _number(text, low)
    last = _number(text, high) if dots else first
    if last < first:
        raise InputError(f"--where is '{text}': the range {first}..{last} is empty, expected the lower value first")
    return first, last


def _number(text: str, word: str) -> int:
    word = word.strip()
    if not word.isdecimal() or len(word) > _MOST_DIGITS or int(word) > _HIGHEST_MIDI:
        raise InputError(f"--where is '{text}': '{word}' is not a whole number of 0..{_HIGHEST_MIDI}; {_EXAMPLES}")
    return int(word)
