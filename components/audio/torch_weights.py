"""Reading of weights that PyTorch saved, without PyTorch.

Such a file is a zip: `*/data.pkl` describes a dictionary of tensors, `*/data/KEY` hold their numbers. A pickle may call
any function; this reader admits four harmless names and refuses all others.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.core.text import counted

_Array = npt.NDArray[Any]


def read_state_dict(path: Path) -> dict[str, _Array]:
    """Reads the tensors of a file that `torch.save(module.state_dict())` wrote, PyTorch 1.6 or later.

    Raises:
        ValueError: It is not such a file, or is damaged, or its pickle asks for more than weights need.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            return dict(_Weights(archive, name.removesuffix("data.pkl")).load())
    except (OSError, zipfile.BadZipFile, pickle.UnpicklingError, KeyError, ValueError, TypeError, EOFError) as error:
        raise ValueError(f"not PyTorch's weights: {error}") from error


def _tensor(numbers: _Array, first: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> _Array:
    """Stands in for torch._utils._rebuild_tensor_v2; strides in numbers."""
    last = first + sum((count - 1) * stride for count, stride in zip(shape, strides, strict=True))
    if min(first, *strides, *(count - 1 for count in shape), 0) < 0 or last >= len(numbers):
        raise ValueError(f"a tensor of shape {shape} goes beyond its {counted(len(numbers), 'number')}")
    steps = [stride * numbers.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(numbers[first:], shape, steps, writeable=False)


_ADMITTED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


class _Weights(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}data.pkl")))
        self._archive, self._folder = archive, folder

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"got {module}.{name}, which weights do not need")
        return _ADMITTED[module, name]

    def persistent_load(self, pid: Any) -> _Array:
        _, kind, key, *_ = pid
        return np.frombuffer(self._archive.read(f"{self._folder}data/{key}"), kind)
