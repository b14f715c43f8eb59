"""tf.train.Example on the wire, without TensorFlow.

Messages and field numbers: tensorflow/core/example/{example,feature}.proto. Example.features = 1; Features.feature = 1
is a map, hence repeated entries of key = 1 and value = 2; Feature is one of bytes_list = 1, float_list = 2 and
int64_list = 3; each list's value = 1, packed or not. The reader takes every encoding that a protocol buffer parser
takes: any order, repeated messages merged, unknown fields skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float32]
Int64Array: TypeAlias = npt.NDArray[np.int64]
Value: TypeAlias = FloatArray | Int64Array | list[bytes]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3


class BadExample(ValueError):  # noqa: N818 (reads as what it is)
    """The bytes are not a tf.train.Example, or not of the expected fields."""


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """Returns an unsigned 64-bit varint and the position behind it."""
    value = shift = 0
    for position in range(start, min(start + 10, len(data))):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position + 1
        shift += 7
    raise BadExample(f"no number at byte {start}")


def _fields(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yields (field number, wire type, content) of a message; a varint's content is its bytes."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        wire_type = tag & 7
        start = position
        if wire_type == _BYTES:
            length, start = _varint(data, position)
            position = start + length
        elif wire_type == _VARINT:
            _, position = _varint(data, position)
        elif wire_type in (_FIXED64, _FIXED32):
            position += 8 if wire_type == _FIXED64 else 4
        else:
            raise BadExample(f"wire type {wire_type} at byte {start}")
        if position > len(data) or not tag >> 3:
            raise BadExample(f"a field that starts at byte {start} ends behind its message")
        yield tag >> 3, wire_type, data[start:position]


def _messages(data: bytes, number: int) -> Iterator[bytes]:
    """Yields the contents of the length-delimited fields of one number."""
    return (content for field, wire_type, content in _fields(data) if field == number and wire_type == _BYTES)


def _entries(payload: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields (key, serialised Feature) of an Example; of a key that comes twice, the last one counts."""
    for features in _messages(payload, 1):
        for entry in _messages(features, 1):
            key = value = b""
            for field, wire_type, content in _fields(entry):
                if wire_type == _BYTES and field == 1:
                    key = content
                elif wire_type == _BYTES and field == 2:
                    value += content  # a message that comes twice is merged, and merging is concatenating
            yield key, value


def _int64_values(content: bytes) -> list[int]:
    values, position = [], 0
    while position < len(content):
        value, position = _varint(content, position)
        values.append(value - (1 << 64) if value >> 63 else value)
    return values


def _value(feature: bytes) -> Value:
    """Decodes a Feature; one without a list is an empty list of bytes."""
    kind, lists = _BYTES_LIST, b""
    for field, wire_type, content in _fields(feature):
        if wire_type == _BYTES and field in (_BYTES_LIST, _FLOAT_LIST, _INT64_LIST):
            kind, lists = field, (lists if field == kind else b"") + content
    values = [(wire_type, content) for field, wire_type, content in _fields(lists) if field == 1]
    if kind == _BYTES_LIST:
        return [content for wire_type, content in values if wire_type == _BYTES]
    if kind == _FLOAT_LIST:
        packed = b"".join(content for wire_type, content in values if wire_type in (_BYTES, _FIXED32))
        if len(packed) % 4:
            raise BadExample(f"a list of floats has {len(packed)} bytes, expected a multiple of 4")
        return np.frombuffer(packed, "<f4").astype(np.float32, copy=False)
    numbers = (_int64_values(content) for wire_type, content in values if wire_type in (_BYTES, _VARINT))
    return np.array([number for run in numbers for number in run], np.int64)


def decode(payload: bytes) -> dict[str, Value]:
    """Decodes a serialised tf.train.Example.

    Returns:
        float32 and int64 arrays of one dimension (those of floats are read-only views), and lists of bytes, by key.

    Raises:
        BadExample: The payload is not one.
    """
    try:
        return {key.decode(): _value(feature) for key, feature in _entries(payload)}
    except UnicodeDecodeError as error:
        raise BadExample(f"a key is not UTF-8: {error}") from error


def int64_of(payload: bytes, key: str) -> int | None:
    """Returns the single integer under `key` without decoding the rest; None where the key is absent or holds no such.

    Raises:
        BadExample: The payload is not a tf.train.Example.
    """
    wanted, found = key.encode(), None
    for name, feature in _entries(payload):
        if name == wanted:
            value = _value(feature)
            found = (
                int(value[0]) if isinstance(value, np.ndarray) and value.dtype == np.int64 and len(value) == 1 else None
            )
    return found


def _write_varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _write_field(number: int, content: bytes) -> bytes:
    return _write_varint(number << 3 | _BYTES) + _write_varint(len(content)) + content


def _write_feature(value: Value) -> bytes:
    if isinstance(value, list):
        return _write_field(_BYTES_LIST, b"".join(_write_field(1, item) for item in value))
    if value.dtype == np.float32:
        content, number = value.astype("<f4", copy=False).tobytes(), _FLOAT_LIST
    elif value.dtype == np.int64:
        content, number = b"".join(_write_varint(int(item)) for item in value), _INT64_LIST
    else:
        raise TypeError(f"an Example holds float32, int64 and bytes, not {value.dtype}")
    return _write_field(number, _write_field(1, content) if content else b"")


def encode(values: Mapping[str, Value]) -> bytes:
    """Serialises a tf.train.Example as the public data set's are: keys sorted, numbers packed.

    Args:
        values: float32 and int64 arrays of one dimension, and lists of bytes, by key.
    """
    entries = (_write_field(1, key.encode()) + _write_field(2, _write_feature(values[key])) for key in sorted(values))
    return _write_field(1, b"".join(_write_field(1, entry) for entry in entries))
