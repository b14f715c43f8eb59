"""tf.train.Example on the wire, without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from components.nsynth.features import BYTES_LIST, FLOAT_LIST, INT64_LIST, Feature, features
from components.nsynth.labels import Labels
from components.nsynth.wire import BYTES, BadExample, int64, varint

__all__ = ["BadExample", "Labels", "Value", "decode", "encode"]

FloatArray: TypeAlias = npt.NDArray[np.float32]
Int64Array: TypeAlias = npt.NDArray[np.int64]
Value: TypeAlias = FloatArray | Int64Array | list[bytes]


def _int64_values(payload: bytes, start: int, stop: int) -> list[int]:
    values = []
    while start < stop:
        values.append(int64(payload, start, stop))
        _, start = varint(payload, start, stop)
    return values


def _value(payload: bytes, feature: Feature) -> Value:
    """Decodes a Feature; one without a list is an empty list of bytes."""
    if feature.kind == FLOAT_LIST:
        packed = b"".join([payload[start:stop] for start, stop in feature.spans])
        return np.frombuffer(packed, "<f4").astype(np.float32, copy=False)
    if feature.kind == INT64_LIST:
        runs = [_int64_values(payload, start, stop) for start, stop in feature.spans]
        return np.array([number for run in runs for number in run], np.int64)
    return [payload[start:stop] for start, stop in feature.spans]


def decode(payload: bytes) -> dict[str, Value]:
    """Decodes a serialised tf.train.Example.

    Returns:
        float32 and int64 arrays of one dimension (those of floats are read-only views), and lists of bytes, by key.

    Raises:
        BadExample: The payload is not one.
    """
    return {key.decode(): _value(payload, feature) for key, feature in features(payload).items()}


def _write_varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _write_field(number: int, content: bytes) -> bytes:
    return _write_varint(number << 3 | BYTES) + _write_varint(len(content)) + content


def _write_feature(value: Value) -> bytes:
    if isinstance(value, list):
        return _write_field(BYTES_LIST, b"".join(_write_field(1, item) for item in value))
    if value.dtype == np.float32:
        content, number = value.astype("<f4", copy=False).tobytes(), FLOAT_LIST
    elif value.dtype == np.int64:
        content, number = b"".join(_write_varint(int(item)) for item in value), INT64_LIST
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
