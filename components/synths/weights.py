"""Weights in HDF5 files that may come from anywhere: checked before Keras reads them.

HDF5 can do more than hold arrays: links, external storage and virtual datasets read other files, a compressed array of
a few bytes can have any size in memory, and so can the texts of an attribute, all of which may be the same long one in
the file. Keras writes plain float arrays, and the names of layers and weights as attributes.
"""

from __future__ import annotations

import mmap
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from components.core.errors import InputError
from components.core.text import printable

_MOST_OBJECTS = 10_000
_MOST_LEVELS = 32
_MOST_TEXT_BYTES = 64 << 20
_NUMBER_BYTES, _OTHER_BYTES = 8, 16 << 20  # of a float64; of all that a file holds beside its arrays
# A collection of the file's heap, which holds texts: signature, version, three bytes that nobody reads, and its size.
_HEAP = re.compile(rb"GCOL\x01.{3}(.{8})", re.DOTALL)


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
        reason = _too_large(model, path)
        if not reason:
            with h5py.File(path, "r") as file:
                reason = _unusual(file, path.stat().st_size) or _unusual_texts(file, _largest_heap(path))
        if not reason:
            model.load_weights(str(path))
    except Exception as error:  # HDF5 and Keras fail on a damaged file with nearly every type of exception
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    if reason:
        raise InputError(
            f"the weights of the model at '{uri}' cannot be used: {printable(reason)}; copy the model again"
        )


def _too_large(model: Any, path: Path) -> str:
    """Returns how much larger a file is than the model's weights can make it; "" where it is not."""
    numbers = sum(int(np.prod(np.array(weight.shape))) for weight in model.weights)
    size, most = path.stat().st_size, numbers * _NUMBER_BYTES + _OTHER_BYTES
    return f"the file has {size:,} bytes, expected {most:,} at most for this network" if size > most else ""


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


def _unusual_texts(file: Any, heap_bytes: int) -> str:
    """Returns which attribute is no text, or that reading all texts could take too much memory; "" for neither.

    Nothing is read: how long a text in the heap is, is known only afterwards.

    Args:
        file: The file, which has been checked by `_unusual`.
        heap_bytes: What each text in the file's heap has at most.
    """
    left, count, text_bytes = [file], 0, 0
    while left:
        each = left.pop()
        if isinstance(each, h5py.Group):
            left += [each[name] for name in each]
        for index in range(h5py.h5a.get_num_attrs(each.id)):
            attribute = h5py.h5a.open(each.id, index=index)
            kind, texts = attribute.get_type(), attribute.get_space().get_simple_extent_npoints()
            if texts and not isinstance(kind, h5py.h5t.TypeStringID):
                return f"the attribute '{attribute.name.decode(errors='replace')[:80]}' is not a text"
            count += 1
            text_bytes += texts * (heap_bytes if texts and kind.is_variable_str() else kind.get_size())
            if count > _MOST_OBJECTS or text_bytes > _MOST_TEXT_BYTES:
                return f"its attributes may take more than {_MOST_TEXT_BYTES:,} bytes"
    return ""


def _largest_heap(path: Path) -> int:
    """Returns the size of the largest collection of texts in a file, in bytes; 0 without any."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return max((int.from_bytes(found[1], "little") for found in _HEAP.finditer(content)), default=0)
