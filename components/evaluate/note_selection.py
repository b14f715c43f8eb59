"""Selects the notes of an evaluation, by the data only: all synths of a family get the same notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from components.artifacts.scores import NoteNumbers
from components.core.errors import InputError
from components.nsynth.families import FAMILIES
from components.nsynth.note import Note
from components.nsynth.sorted_set import SortedSet

_HELD_OUT_SPLITS = ("test", "valid")
_MIDDLE_C = 60
TRANSFER_CANDIDATES = 32


def _spread(count: int, wanted: int) -> list[int]:
    """Returns at most `wanted` of `count` indices, evenly spread; all for 0."""
    if not wanted:
        return list(range(count))
    return [int((index + 0.5) * count / wanted) for index in range(wanted)] if count > wanted else list(range(count))


def held_out_split(data: SortedSet, family: str) -> str | None:
    """Returns the split to evaluate a family on: test, or valid where test has none; None where neither has."""
    there = [split for split in _HELD_OUT_SPLITS if split in data.splits()]
    return next((split for split in there if data.families(split).get(family)), None)


def held_out_notes(data: SortedSet, family: str, max_notes: int) -> tuple[str, list[Note]]:
    """Returns the split and at most `max_notes` of its notes of a family, all for 0, spread evenly over the split.

    Raises:
        InputError: No held-out note of the family.
    """
    split = held_out_split(data, family)
    if split is None:
        raise InputError(
            f"no held-out {family} note in '{data.uri}': expected some in its test or valid split; "
            "try more recordings, or sort those splits too"
        )
    wanted = set(_spread(data.families(split)[family], max_notes))
    return split, with_distinct_ids([note for index, note in enumerate(data.notes(split, family)) if index in wanted])


def with_distinct_ids(notes: Sequence[Note]) -> list[Note]:
    """Returns the notes; of several with one id, the second and later ones with a number behind it: "x (2)".

    Clips, numbers and reports tell notes apart by their id, which a data set of strangers may have given twice.
    """
    given, seen, found = {note.id for note in notes}, set[str](), list[Note]()
    for note in notes:
        name, number = note.id, 1
        while name in seen or (number > 1 and name in given):
            number += 1
            name = f"{note.id} ({number})"
        seen.add(name)
        found.append(note if name == note.id else replace(note, id=name))
    return found


def listening_samples(notes: Sequence[Note], max_notes: int) -> list[int]:
    """Returns the indices of at most `max_notes` notes that represent the pitch range, low to high."""
    by_pitch = sorted(range(len(notes)), key=lambda index: (notes[index].pitch, notes[index].velocity, notes[index].id))
    return [by_pitch[index] for index in _spread(len(notes), max_notes)]


def worst(numbers: Sequence[NoteNumbers], max_notes: int) -> list[int]:
    """Returns the indices of at most `max_notes` notes with the highest spectral loss, the highest first."""
    indices = sorted(range(len(numbers)), key=lambda index: (-numbers[index].numbers.spectral_loss, numbers[index].id))
    return indices[:max_notes]


def note_of_each_family(sets: Sequence[SortedSet]) -> list[Note]:
    """Returns a held-out note of each family, the same for every model, in the order of FAMILIES.

    It is the note nearest to middle C among the family's first 32 held-out notes; of equally near ones, the loudest.

    Args:
        sets: Sorted sets. A family's note is from the first set that has held-out notes of it.
    """
    sources = {family: [data for data in sets if held_out_split(data, family)] for family in FAMILIES}
    return with_distinct_ids([_nearest_to_middle_c(found[0], family) for family, found in sources.items() if found])


def _nearest_to_middle_c(data: SortedSet, family: str) -> Note:
    split = held_out_split(data, family)
    assert split is not None, "only families with held-out notes are asked for"
    notes = islice(data.notes(split, family), TRANSFER_CANDIDATES)
    return min(notes, key=lambda note: (abs(note.pitch - _MIDDLE_C), -note.velocity, note.id))
