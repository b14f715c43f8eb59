"""The formats by name, and the packages that writing and checking them takes. No TensorFlow here."""

from __future__ import annotations

import importlib

from components.core.errors import InputError, nearest

_LITERT = {"ai_edge_litert": "ai-edge-litert"}
# Format -> module -> the package that has it.
_PACKAGES: dict[str, dict[str, str]] = {
    "savedmodel": {},
    "tflite": _LITERT,
    "onnx": {"tf2onnx": "tf2onnx", "onnxruntime": "onnxruntime"},
    "vst": _LITERT,
}
FORMATS = tuple(_PACKAGES)


def check_format(name: str) -> str:
    """Returns `name`.

    Raises:
        InputError: There is no such format, or a package that it takes is missing.
    """
    if name not in FORMATS:
        raise InputError(f"there is no format '{name}': {nearest(name, FORMATS)}")
    for module, package in _PACKAGES[name].items():
        try:
            importlib.import_module(module)
        except ImportError:
            raise InputError(
                f"cannot export to '{name}': the package {package} is missing; try pip install 'luthier[export]'"
            ) from None
    return name
