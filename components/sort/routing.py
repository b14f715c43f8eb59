"""The group of a record, which is the name of its directory: by one field of the record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from components.nsynth.families import FAMILIES, SOURCES
from components.nsynth.labels import Labels
from components.nsynth.wire import BadExample
from components.sort.conditions import Condition

QUARANTINE = "quarantine"


@dataclass(frozen=True)
class Grouping:
    """A way to sort.

    Attributes:
        key: The field's key in a record.
        name: Returns the group of a value; None for an invalid value.
        expected: The valid values, for messages.
        always: Groups that are counted even without records.
        usual_groups: How many groups the public data set has, for the size of the parts.
    """

    key: str
    name: Callable[[int], str | None]
    expected: str
    always: tuple[str, ...]
    usual_groups: int


def _among(names: tuple[str, ...]) -> Callable[[int], str | None]:
    return lambda value: names[value] if 0 <= value < len(names) else None


def _instrument(value: int) -> str | None:
    return f"instrument-{value:04d}" if value >= 0 else None


GROUPINGS: dict[str, Grouping] = {
    "family": Grouping("instrument/family", _among(FAMILIES), f"0..{len(FAMILIES) - 1}", FAMILIES, 10),
    "instrument": Grouping("instrument/label", _instrument, "0 or more", (), 1000),
    "source": Grouping("instrument/source", _among(SOURCES), f"0..{len(SOURCES) - 1}", SOURCES, 1),
}


class Router:
    """Reads a record's group without decoding the rest of it.

    Args:
        by: A key of GROUPINGS.
        where: Conditions that a record must meet to be taken.
    """

    def __init__(self, by: str, where: Sequence[Condition] = ()) -> None:
        self._grouping = GROUPINGS[by]
        self._conditions = where
        self._keys = (self._grouping.key, *(condition.key for condition in where))
        self._labels = Labels(self._keys)

    def group(self, payload: bytes) -> str | None:
        """Returns the record's group; None for a record that the conditions leave out.

        Raises:
            BadExample: It is not a tf.train.Example, lacks a field, or its value is out of range.
        """
        values = self._labels.read(payload)
        for key, value in zip(self._keys, values, strict=True):
            if value is None:
                raise BadExample(f"it has no feature '{key}' with one integer")
        group = self._grouping.name(values[0] or 0)
        if group is None:
            raise BadExample(f"'{self._keys[0]}' is {values[0]}, expected {self._grouping.expected}")
        for condition, value in zip(self._conditions, values[1:], strict=True):
            if not condition.allows(value or 0):
                return None
        return group
