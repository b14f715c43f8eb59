"""The bytes of a model in the page: the length of a JSON header, the header, and the arrays in planes of bytes.

A plane has the first bytes of all numbers of an array, the next one the second bytes: so gzip compresses them. Matrices
may have fewer bits: 16 or 12, with a step for each row. The page reads them in web/src/model.ts.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from components.nsynth.note import FloatArray

PRECISIONS = ("float32", "int16", "int12")
"""From the highest to the lowest."""
_HIGHEST_CODES = {"int16": 32_767, "int12": 2047}


def encode(header: dict[str, Any], arrays: dict[str, FloatArray], precision: str) -> bytes:
    """Returns the bytes of a model.

    Args:
        header: See description.describe_model.
        arrays: The arrays by name; matrices have one row for each output.
        precision: One of PRECISIONS, for the matrices; vectors stay float32.
    """
    types = {name: precision if values.ndim == 2 else "float32" for name, values in arrays.items()}
    listed = [{"name": name, "shape": values.shape, "type": types[name]} for name, values in arrays.items()]
    text = json.dumps({**header, "arrays": listed}, separators=(",", ":"), allow_nan=False).encode()
    parts = [_encode_array(values, types[name]) for name, values in arrays.items()]
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


def decode(data: bytes) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    """Returns the header and the arrays of `encode`."""
    offset = 4 + int.from_bytes(data[:4], "little")
    header, arrays = json.loads(data[4:offset]), {}
    for each in header["arrays"]:
        shape = tuple(each["shape"])
        arrays[each["name"]], used = _decode_array(data[offset:], shape, each["type"])
        offset += used
    return header, arrays


def _planes(values: np.ndarray[Any, Any]) -> bytes:
    return np.ascontiguousarray(values).view(np.uint8).reshape(-1, values.itemsize).T.tobytes()


def _from_planes(data: bytes, kind: str, size: int) -> np.ndarray[Any, Any]:
    width = np.dtype(kind).itemsize
    planes = np.frombuffer(data, np.uint8, width * size).reshape(width, size)
    return np.ascontiguousarray(planes.T).view(kind)[:, 0]


def _encode_codes(values: FloatArray, highest: int) -> bytes:
    steps = np.maximum(np.abs(values).max(axis=1), 1e-30).astype("<f4") / np.float32(highest)
    codes = np.clip(np.rint(values / steps[:, None]), -highest, highest) + highest + 1
    return bytes(steps.astype("<f4").tobytes()) + _planes(codes.astype("<u2"))


def _decode_codes(data: bytes, shape: tuple[int, ...], highest: int) -> tuple[FloatArray, int]:
    rows, size = shape[0], int(np.prod(shape))
    steps = np.frombuffer(data, "<f4", rows)
    codes = _from_planes(data[4 * rows :], "<u2", size).reshape(shape).astype(np.float32) - (highest + 1)
    return codes * steps[:, None], 4 * rows + 2 * size


def _encode_array(values: FloatArray, precision: str) -> bytes:
    if precision in _HIGHEST_CODES:
        return _encode_codes(values, _HIGHEST_CODES[precision])
    return _planes(values.astype("<f4"))


def _decode_array(data: bytes, shape: tuple[int, ...], precision: str) -> tuple[FloatArray, int]:
    if precision in _HIGHEST_CODES:
        return _decode_codes(data, shape, _HIGHEST_CODES[precision])
    size = int(np.prod(shape))
    return _from_planes(data, "<f4", size).reshape(shape).astype(np.float32), 4 * size
