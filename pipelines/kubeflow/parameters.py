"""The pipeline's parameters from flags and files, with the types that its package declares."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from components.core.errors import InputError, nearest
from components.core.redaction import check_no_secret

_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "STRING": ("text", lambda value: isinstance(value, str)),
    "NUMBER_INTEGER": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "NUMBER_DOUBLE": ("a number", lambda value: isinstance(value, int | float) and not isinstance(value, bool)),
    "BOOLEAN": ("true or false", lambda value: isinstance(value, bool)),
    "LIST": ("a list: a,b or JSON", lambda value: isinstance(value, list)),
    "STRUCT": ("JSON", lambda value: isinstance(value, dict)),
}


def parse(package: Path, flags: Sequence[str], file: Path | None) -> dict[str, Any]:
    """Returns the arguments of a run.

    Args:
        package: The YAML file of the pipeline.
        flags: "name=value" each; "families=string,keyboard" for a list, or JSON.
        file: A YAML file with a mapping; flags take precedence.

    Raises:
        InputError: An unknown name, or a value of another type.
    """
    with package.open() as stream:
        declared = next(yaml.safe_load_all(stream))["root"]["inputDefinitions"]["parameters"]
    arguments = _from_file(file) if file is not None else {}
    for flag in flags:
        name, equals, text = flag.partition("=")
        if not equals:
            raise InputError(f"cannot read the parameter '{flag}': expected name=value, such as preset=standard")
        arguments[name] = _from_text(text, declared[name]["parameterType"]) if name in declared else text
    for name, value in arguments.items():
        if name not in declared:
            raise InputError(f"the pipeline has no parameter '{name}': {nearest(name, declared)}")
        _check(name, value, declared[name])
    return arguments


def _from_file(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot read the parameters in '{file}': {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"cannot read the parameters in '{file}': got no mapping, expected lines like 'preset: seed'")
    return {str(name): value for name, value in content.items()}


def _from_text(text: str, kind: str) -> Any:
    """Returns the value of a flag; the text itself where it is no value of that kind."""
    if kind == "STRING":
        return text
    if kind == "LIST" and not text.lstrip().startswith("["):
        return [item for item in (part.strip() for part in text.split(",")) if item]
    readers: dict[str, Callable[[str], Any]] = {"NUMBER_INTEGER": int, "NUMBER_DOUBLE": float}
    try:
        return readers.get(kind, json.loads)(text)
    except ValueError:
        return text


def _check(name: str, value: Any, declared: dict[str, Any]) -> None:
    expected, fits = _KINDS[declared["parameterType"]]
    if not fits(value):
        raise InputError(f"the parameter '{name}' is wrong: got {value!r}, expected {expected}")
    if isinstance(value, str):
        check_no_secret(value, f"the parameter '{name}'")
    choices = declared.get("literals", [])
    if choices and value not in choices:
        raise InputError(f"the parameter '{name}' is wrong: got {value!r}, {nearest(str(value), map(str, choices))}")
