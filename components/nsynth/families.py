"""NSynth's instrument families and sources. The index is the class id in the records (instrument-family.labels.txt)."""

from __future__ import annotations

from components.core.errors import InputError, nearest

FAMILIES = (
    "bass",
    "brass",
    "flute",
    "guitar",
    "keyboard",
    "mallet",
    "organ",
    "reed",
    "string",
    "synth_lead",
    "vocal",
)
SOURCES = ("acoustic", "electronic", "synthetic")


def check_family(name: str) -> str:
    """Returns `name` if it is a family; otherwise an InputError that offers the nearest names."""
    if name not in FAMILIES:
        raise InputError(f"there is no instrument family '{name}': {nearest(name, FAMILIES)}")
    return name
