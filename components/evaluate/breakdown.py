"""Summarises the scores of single notes: over all notes, by register and by velocity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.artifacts.scores import Group, NoteNumbers, Numbers, Summary, rounded

_RESAMPLES = 1000
# Upper bounds (exclusive): MIDI pitches (C3, C5), and velocities, which NSynth has at 25, 50, 75, 100 and 127.
REGISTERS = (("low", 48), ("middle", 72), ("high", 128))
VELOCITIES = (("soft", 51), ("medium", 101), ("loud", 128))


def summarise(notes: Sequence[NoteNumbers]) -> dict[str, Summary]:
    """Returns each number over the notes that have it.

    The interval of the mean is a percentile bootstrap with 1000 resamples and a fixed seed.
    """
    summary = {}
    for name in Numbers.__annotations__:
        values = _values(notes, name)
        if len(values):
            drawn = np.random.default_rng(0).integers(len(values), size=(_RESAMPLES, len(values)))
            low, high = np.percentile(values[drawn].mean(axis=1), (2.5, 97.5))
            found = (values.mean(), np.median(values), np.percentile(values, 95), low, high)
            summary[name] = Summary(*map(rounded, found))
    return summary


def breakdown(notes: Sequence[NoteNumbers]) -> dict[str, dict[str, Group]]:
    """Returns the means by "register" and by "velocity", without groups that have no note."""
    return {
        "register": _groups(notes, REGISTERS, lambda note: note.pitch),
        "velocity": _groups(notes, VELOCITIES, lambda note: note.velocity),
    }


def _groups(
    notes: Sequence[NoteNumbers], bounds: Sequence[tuple[str, int]], of: Callable[[NoteNumbers], int]
) -> dict[str, Group]:
    groups, start = {}, 0
    for name, end in bounds:
        some = [note for note in notes if start <= of(note) < end]
        start = end
        if some:
            values = {number: _values(some, number) for number in Numbers.__annotations__}
            groups[name] = Group(len(some), {key: rounded(found.mean()) for key, found in values.items() if len(found)})
    return groups


def _values(notes: Sequence[NoteNumbers], name: str) -> NDArray[np.floating[Any]]:
    """Returns a number of the notes that have it. A silent note has no level: what is not finite counts only alone."""
    values = np.array([value for note in notes if (value := getattr(note.numbers, name)) is not None])
    finite = values[np.isfinite(values)]
    return finite if len(finite) else values
