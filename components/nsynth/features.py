"""The positions of a tf.train.Example's features, in every encoding that protobuf's parsers accept.

Messages and field numbers: tensorflow/core/example/{example,feature}.proto. Example.features = 1; Features.feature = 1
is a map, hence repeated entries of key = 1 and value = 2; Feature is one of bytes_list = 1, float_list = 2 and
int64_list = 3; each list's value = 1, packed or not. A SequenceExample's context has the number of Example.features, so
the same bytes are read in the same way.
"""

from __future__ import annotations

from components.core.text import counted
from components.nsynth.wire import BYTES, FIXED32, VARINT, BadExample, fields

BYTES_LIST, FLOAT_LIST, INT64_LIST = 1, 2, 3

# By kind of list, the wire types of its values.
_WIRE_TYPES = {BYTES_LIST: (BYTES,), FLOAT_LIST: (BYTES, FIXED32), INT64_LIST: (BYTES, VARINT)}
_HIGH_BITS = bytes(byte & 0x80 for byte in range(256))
_TOO_LONG = b"\x80" * 10  # a varint has ten bytes, the last without its high bit


class Feature:
    """One feature.

    Attributes:
        kind: BYTES_LIST, FLOAT_LIST or INT64_LIST; None for a Feature without a list.
        spans: Positions of its values: (start, stop) of every string, and of every run of packed or single numbers.
    """

    __slots__ = ("kind", "spans")

    def __init__(self) -> None:
        self.kind: int | None = None
        self.spans: list[tuple[int, int]] = []


def features(payload: bytes) -> dict[bytes, Feature]:
    """Finds an Example's features by key; for a repeated key, the last one counts.

    Raises:
        BadExample: The payload is not an Example.
    """
    found: dict[bytes, Feature] = {}
    for number, wire_type, start, stop in fields(payload, 0, len(payload), depth=0):
        if number == 1 and wire_type == BYTES:
            for inner_number, inner_type, inner_start, inner_stop in fields(payload, start, stop, depth=1):
                if inner_number == 1 and inner_type == BYTES:
                    key, feature = _entry(payload, inner_start, inner_stop)
                    found[key] = feature
    return found


def _entry(payload: bytes, start: int, stop: int) -> tuple[bytes, Feature]:
    key, feature = b"", Feature()
    for number, wire_type, begin, end in fields(payload, start, stop, depth=2):
        if wire_type == BYTES and number == 1:
            key = payload[begin:end]
            _check_key(key)
        elif wire_type == BYTES and number == 2:
            _merge(payload, begin, end, feature)
    return key, feature


def _check_key(key: bytes) -> None:
    if key.isascii():
        return
    try:
        key.decode()
    except UnicodeDecodeError as error:
        raise BadExample(f"a key is not UTF-8: {error}") from error


def _merge(payload: bytes, start: int, stop: int, feature: Feature) -> None:
    """Reads a Feature into `feature`: a second list of the same kind is appended, one of another kind replaces it."""
    for number, wire_type, begin, end in fields(payload, start, stop, depth=3):
        if wire_type != BYTES or number not in _WIRE_TYPES:
            continue
        if feature.kind != number:
            feature.kind, feature.spans = number, []
        for item_number, item_type, item_start, item_stop in fields(payload, begin, end, depth=4):
            if item_number == 1 and item_type in _WIRE_TYPES[number]:
                _check_values(payload, item_start, item_stop, number)
                feature.spans.append((item_start, item_stop))


def _check_values(payload: bytes, start: int, stop: int, kind: int) -> None:
    if kind == FLOAT_LIST and (stop - start) % 4:
        raise BadExample(f"a list of floats has {counted(stop - start, 'byte')}, expected a multiple of 4")
    if kind == INT64_LIST and stop > start and not (stop - start == 1 and payload[start] < 0x80):
        bits = high_bits(payload[start:stop])
        if bits[-1] or _TOO_LONG in bits:
            raise BadExample(f"a list of integers at byte {start} is malformed")


def high_bits(numbers: bytes) -> bytes:
    """Returns the highest bit of every byte: in a run of varints, all but the last byte of each have it."""
    return numbers.translate(_HIGH_BITS)


def single_int64(payload: bytes, feature: Feature | None) -> tuple[int, int] | None:
    """Returns the span of a feature's integer; None unless it holds exactly one, and nothing else."""
    if feature is None or feature.kind != INT64_LIST:
        return None
    spans = [(start, stop) for start, stop in feature.spans if stop > start]
    if len(spans) != 1:
        return None
    if high_bits(payload[slice(*spans[0])]).count(0) > 1:
        return None
    return spans[0]
