"""Reads single integers from many Examples, fast: parts that records have in common are compared, not parsed.

The records of a data set differ in their samples and numbers, not in their structure. A parser's result depends on the
structure alone: on all bytes except the content of strings and of packed floats, and the lower seven bits of each byte
of an integer. So the structure of a parsed record is cached, and a record with the same structure needs no parsing.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TypeAlias

from components.nsynth.features import INT64_LIST, Feature, features, high_bits, single_int64
from components.nsynth.wire import int64

# Limits of the cache: about 10 MB. The data set needs a few dozen lengths of 600 bytes each.
_MOST_LENGTHS = 256
_MOST_SHAPES_OF_A_LENGTH = 4
_MOST_SPANS = 128
_MOST_FIXED_BYTES = 4096

# Spans of the wanted integers: (start, stop), None for a missing one.
_Wanted: TypeAlias = tuple[tuple[int, int] | None, ...]


class Labels:
    """Reads the integers under some keys. Only one thread may use it."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Args: the keys of the wanted int64 features."""
        self._keys = tuple(key.encode() for key in keys)
        self._shapes: dict[int, list[_Shape]] = {}

    def read(self, payload: bytes) -> tuple[int | None, ...]:
        """Returns the single int64 under each key, None if it is absent or not exactly one int64.

        Raises:
            BadExample: The payload is not a tf.train.Example.
        """
        for shape in self._shapes.get(len(payload), ()):
            values = shape.read(payload)
            if values is not None:
                return values
        found = features(payload)
        wanted = tuple(single_int64(payload, found.get(key)) for key in self._keys)
        self._remember(payload, found, wanted)
        return _values(payload, wanted)

    def _remember(
        self, payload: bytes, found: dict[bytes, Feature], wanted: tuple[tuple[int, int] | None, ...]
    ) -> None:
        spans = [(*span, feature.kind == INT64_LIST) for feature in found.values() for span in feature.spans]
        if len(spans) > _MOST_SPANS or len(payload) - sum(stop - start for start, stop, _ in spans) > _MOST_FIXED_BYTES:
            return
        if len(payload) not in self._shapes and len(self._shapes) >= _MOST_LENGTHS:
            self._shapes.clear()
        shapes = self._shapes.setdefault(len(payload), [])
        shapes.insert(0, _Shape(payload, sorted(spans), wanted))
        del shapes[_MOST_SHAPES_OF_A_LENGTH:]


class _Shape:
    """The structure of an Example of a certain length."""

    def __init__(self, payload: bytes, spans: list[tuple[int, int, bool]], wanted: _Wanted) -> None:
        """Args: an Example; the spans of its values and whether each is an integer; the spans of the wanted ones."""
        position, fixed_format, number_format = 0, "<", "<"
        for start, stop, is_number in [*spans, (len(payload), len(payload), False)]:
            fixed_format += f"{start - position}s{stop - start}x"
            number_format += f"{start - position}x{stop - start}{'s' if is_number else 'x'}"
            position = stop
        self._cut_fixed, self._cut_numbers = struct.Struct(fixed_format).unpack, struct.Struct(number_format).unpack
        self._fixed = self._cut_fixed(payload)
        self._high_bits = high_bits(b"".join(self._cut_numbers(payload)))
        self._wanted = wanted

    def read(self, payload: bytes) -> tuple[int | None, ...] | None:
        """Returns the wanted integers of an Example of this structure, None for one of another."""
        if self._cut_fixed(payload) != self._fixed:
            return None
        if high_bits(b"".join(self._cut_numbers(payload))) != self._high_bits:
            return None
        return _values(payload, self._wanted)


def _values(payload: bytes, wanted: _Wanted) -> tuple[int | None, ...]:
    return tuple([None if span is None else _value(payload, *span) for span in wanted])


def _value(payload: bytes, start: int, stop: int) -> int:
    return payload[start] if stop - start == 1 else int64(payload, start, stop)
