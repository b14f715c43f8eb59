"""The pipeline's parameters from flags and files, with the types that its package declares."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from components.core import environment
from components.core.errors import InputError, nearest
from components.core.redaction import check_no_secret

_BRACKETS = {"(": ")", "[": "]", "{": "}"}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "STRING": ("text", lambda value: isinstance(value, str)),
    "NUMBER_INTEGER": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "NUMBER_DOUBLE": ("a number", lambda value: isinstance(value, int | float) and not isinstance(value, bool)),
    "BOOLEAN": ("true or false", lambda value: isinstance(value, bool)),
    "LIST": ("a list of texts: a,b or JSON", lambda value: isinstance(value, list) and all(map(_is_text, value))),
    "STRUCT": ("JSON", lambda value: isinstance(value, dict)),
}


def parse(package: Path, flags: Sequence[str], file: Path | None, from_environment: bool = False) -> dict[str, Any]:
    """Returns the arguments of a run.

    Args:
        package: The YAML file of the pipeline.
        flags: "name=value" each; "families=string,keyboard" for a list, or JSON. Commas inside of brackets and quotes
            belong to an item.
        file: A YAML file with a mapping; flags take precedence.
        from_environment: Whether to take other parameters from environment variables: LUTHIER_PRESET for `preset`.

    Raises:
        InputError: An unknown name, or a value of another type.
    """
    with package.open() as stream:
        declared = next(yaml.safe_load_all(stream))["root"]["inputDefinitions"]["parameters"]
    arguments = _from_environment(declared) if from_environment else {}
    arguments |= _from_file(file, declared) if file is not None else {}
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


def _from_environment(declared: dict[str, Any]) -> dict[str, Any]:
    given = {name: environment.get(f"LUTHIER_{name.upper()}") for name in declared}
    return {name: _from_text(text, declared[name]["parameterType"]) for name, text in given.items() if text}


def _from_file(file: Path, declared: dict[str, Any]) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot read the parameters in '{file}': {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"cannot read the parameters in '{file}': got no mapping, expected lines like 'preset: seed'")
    return {str(name): _as_declared(value, declared.get(str(name), {})) for name, value in content.items()}


def _as_declared(value: Any, declared: dict[str, Any]) -> Any:
    """Returns a value of a file; a number where a text is declared, such as `gpus: 2`, is meant as text."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if declared.get("parameterType") == "STRING" and is_number else value


def _from_text(text: str, kind: str) -> Any:
    """Returns the value of a flag; the text itself where it is no value of that kind."""
    if kind == "STRING":
        return text
    if kind == "LIST" and not text.lstrip().startswith("["):
        return [item for item in map(str.strip, _split(text)) if item]
    readers: dict[str, Callable[[str], Any]] = {"NUMBER_INTEGER": int, "NUMBER_DOUBLE": float}
    try:
        return readers.get(kind, json.loads)(text)
    except ValueError:
        return text


def _split(text: str) -> list[str]:
    """Splits a text at the commas outside of brackets and quotes."""
    parts, closing, quote = [""], list[str](), ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in _BRACKETS:
            closing.append(_BRACKETS[char])
        elif closing and char == closing[-1]:
            closing.pop()
        elif char == "," and not closing:
            parts.append("")
            continue
        parts[-1] += char
    return parts


def _check(name: str, value: Any, declared: dict[str, Any]) -> None:
    expected, fits = _KINDS[declared["parameterType"]]
    if not fits(value):
        hint = "; quote words such as 'no' and numbers" if isinstance(value, list) else ""
        raise InputError(f"the parameter '{name}' is wrong: got {value!r}, expected {expected}{hint}")
    if isinstance(value, str):
        check_no_secret(value, f"the parameter '{name}'")
    choices = declared.get("literals", [])
    if choices and value not in choices:
        raise InputError(f"the parameter '{name}' is wrong: got {value!r}, {nearest(str(value), map(str, choices))}")
