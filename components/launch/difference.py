"""Says in what a Job that exists differs from the one that was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from components.launch.template import container_of


def first_difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Returns one difference in words, the one that a person most likely meant: arguments, image, then the rest.

    Args:
        found: The Job as the API server returns it, with its defaults.
        wanted: The Job as it would be created.
    """
    ours, theirs = container_of(wanted), container_of(found)
    our_flags, their_flags = _flags(ours["args"]), _flags(theirs.get("args") or [])
    for flag in our_flags | their_flags:
        there, value = _shown(their_flags.get(flag)), _shown(our_flags.get(flag))
        if there != value:
            return f"its {flag} is {there}, expected {value}"
    if theirs.get("image") != ours["image"]:
        return f"its image is '{theirs.get('image')}', expected '{ours['image']}'"
    labels = _differences(found["metadata"].get("labels"), wanted["metadata"]["labels"], "metadata.labels")
    for difference in chain(labels, _differences(found["spec"], wanted["spec"], "spec")):
        return difference
    return "something was taken out of its template since it was created"


def _flags(arguments: list[str]) -> dict[str, list[str]]:
    flags: dict[str, list[str]] = {}
    for flag, value in zip(arguments[1::2], arguments[2::2], strict=False):
        flags.setdefault(flag, []).append(value)
    return flags


def _shown(values: list[str] | None) -> str:
    return "not there" if values is None else " and ".join(f"'{value}'" for value in values)


def _differences(found: Any, wanted: Any, place: str) -> Iterator[str]:
    """Yields where `found` lacks something of `wanted`. What it has beyond that are the API server's defaults."""
    if isinstance(wanted, Mapping):
        for key, value in wanted.items():
            if (place, key) != ("spec", "suspend"):
                there = found.get(key) if isinstance(found, Mapping) else None
                yield from _differences(there, value, f"{place}.{key}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, (there, value) in enumerate(zip(found, wanted, strict=True)):
            name = value.get("name", index) if isinstance(value, Mapping) else index
            yield from _differences(there, value, f"{place}[{name}]")
    elif found != wanted and not _same_quantity(found, wanted):
        yield f"its {place} is {found!r}, expected {wanted!r}"


def _same_quantity(found: Any, wanted: Any) -> bool:
    """The API server writes quantities its own way: 1000m as 1."""
    from kubernetes.utils import parse_quantity

    try:
        return bool(parse_quantity(found) == parse_quantity(wanted))
    except (ValueError, TypeError):
        return False
