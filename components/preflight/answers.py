"""Reads what an API server answers: any value may be missing or of another type."""

from __future__ import annotations

from decimal import Decimal
from typing import Any


def at(value: Any, *keys: str) -> Any:
    """Returns what is at a path of nested mappings; None where there is nothing."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text(value: Any, *keys: str) -> str:
    """Returns the text at a path; "" for anything else."""
    found = at(value, *keys)
    return found if isinstance(found, str) else ""


def objects(value: Any, *keys: str) -> list[dict[str, Any]]:
    """Returns the objects of the list at a path; none for anything else."""
    found = at(value, *keys)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def mapping(value: Any, *keys: str) -> dict[str, Any]:
    """Returns the mapping at a path; an empty one for anything else."""
    found = at(value, *keys)
    return found if isinstance(found, dict) else {}


def quantity(value: Any) -> Decimal | None:
    """Returns a quantity of Kubernetes, "500m", "16Gi" or 1; None for anything else."""
    from kubernetes.utils import parse_quantity

    try:
        return Decimal(parse_quantity(value))
    except (ValueError, TypeError, ArithmeticError):
        return None


def quantities(value: Any, *keys: str) -> dict[str, Decimal]:
    """Returns the quantities of a resource list at a path, by resource."""
    found = {name: quantity(each) for name, each in mapping(value, *keys).items()}
    return {name: each for name, each in found.items() if each is not None}


def condition(value: Any, kind: str) -> dict[str, Any]:
    """Returns the condition of a type in an object's status; an empty one if there is none."""
    return next((each for each in objects(value, "status", "conditions") if text(each, "type") == kind), {})
