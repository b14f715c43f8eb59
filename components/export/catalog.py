"""The export formats by name, and the packages that each needs."""

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
    "web": {},
}
PAGE_FORMAT = "web"
"""One page with any number of models; every other format has one model."""
FORMATS = tuple(_PACKAGES)
_RUNTIMES = {
    "savedmodel": "TensorFlow",
    "tflite": "LiteRT",
    "onnx": "ONNX Runtime",
    "vst": "the plugin DDSP-VST",
    "web": "a browser",
}


def format_help() -> str:
    """Returns the names of the formats, each with the software it is for, for a help text."""
    return ", ".join(f"{name} ({_RUNTIMES[name]})" for name in FORMATS)


def check_format(name: str) -> str:
    """Returns `name`.

    Raises:
        InputError: There is no such format, or a package that it needs is missing.
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
