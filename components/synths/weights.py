"""Weights in HDF5 files that may come from anywhere: checked before Keras reads them.

HDF5 can do more than hold arrays: links, external storage and virtual datasets read other files, and a compressed array
of a few bytes can have any size in memory. Keras writes plain float arrays.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from components.core.errors import InputError

_MOST_OBJECTS = 10_000
_MOST_LEVELS = 32


def load_weights(model: Any, path: Path, uri: str) -> None:
    """Sets the weights of a model.

    Args:
        model: What model.build made.
        path: The local file.
        uri: The model, for errors.

    Raises:
        InputError: The file is damaged, holds more than plain arrays, or is of another network.
    """
    try:
        with h5py.File(path, "r") as file:
            reason = _unusual(file, path.stat().st_size)
        if not reason:
            model.load_weights(str(path))
    except Exception as error:  # HDF5 and Keras fail on a damaged file with nearly every type of exception
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    if reason:
        raise InputError(f"the weights of the model at '{uri}' cannot be used: {reason}; copy the model again")


def _unusual(file: Any, file_bytes: int) -> str:
    """Returns what a file holds beside plain arrays; "" for nothing."""
    left, objects, array_bytes = [(file, 0)], 0, 0
    while left:
        group, level = left.pop()
        for name in group:
            objects += 1
            if objects > _MOST_OBJECTS or level > _MOST_LEVELS:
                return "the file has too many groups and arrays"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                return f"'{name}' is a link"
            each = group[name]
            if isinstance(each, h5py.Group):
                left.append((each, level + 1))
                continue
            if not isinstance(each, h5py.Dataset) or each.dtype.kind != "f":
                return f"'{name}' is not an array of floats"
            # Filters, which need chunks, may come from libraries, and a chunk may be far larger than its array.
            if each.is_virtual or each.external or each.chunks:
                return f"'{name}' is not stored in the file as it is"
            array_bytes += each.size * each.dtype.itemsize
            if array_bytes > file_bytes:
                return "the file is shorter than its arrays"
    return ""
