"""Which notes are played. The choice depends on the data alone: all synths of a family play the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from components.artifacts.evaluation import NoteNumbers
from components.core.errors import InputError
from components.nsynth.families import FAMILIES
from components.nsynth.note import Note
from components.nsynth.sorted_set import SortedSet

_HELD_OUT_SPLITS = ("test", "valid")
_MIDDLE_C = 60
_TRANSFER_CANDIDATES = 32


def _spread(count: int, wanted: int) -> list[int]:
    """Returns at most `wanted` of `count` places, all for 0, evenly spread, each in the middle of its stretch."""
    if not wanted:
        return list(range(count))
    return [int((place + 0.5) * count / wanted) for place in range(wanted)] if count > wanted else list(range(count))


def held_out_split(data: SortedSet, family: str) -> str | None:
    """Returns the split to evaluate a family on: test, or valid where test has none; None where neither has."""
    there = [split for split in _HELD_OUT_SPLITS if split in data.splits()]
    return next((split for split in there if data.families(split).get(family)), None)


def held_out_notes(data: SortedSet, family: str, most: int) -> tuple[str, list[Note]]:
    """Returns the split and at most `most` of its notes of a family, all for 0, spread evenly over the split.

    Raises:
        InputError: No held-out note of the family.
    """
    split = held_out_split(data, family)
    if split is None:
        raise InputError(
            f"no held-out {family} note in '{data.uri}': expected some in its test or valid split; "
            "try more recordings, or sort those splits too"
        )
    wanted = set(_spread(data.families(split)[family], most))
    return split, [note for place, note in enumerate(data.notes(split, family)) if place in wanted]


def to_hear(notes: Sequence[Note], most: int) -> list[int]:
    """Returns the places of at most `most` notes that stand for the range, low to high; never the extremes of many."""
    by_pitch = sorted(range(len(notes)), key=lambda place: (notes[place].pitch, notes[place].velocity, notes[place].id))
    return [by_pitch[place] for place in _spread(len(notes), most)]


def worst(numbers: Sequence[NoteNumbers], most: int) -> list[int]:
    """Returns the places of at most `most` notes with the highest spectral loss, the worst first."""
    places = sorted(range(len(numbers)), key=lambda place: (-numbers[place].numbers.spectral_loss, numbers[place].id))
    return places[:most]


def note_of_each_family(sets: Sequence[SortedSet]) -> list[Note]:
    """Returns a held-out note of each family for every model to play, in the order of FAMILIES.

    Of the family's first held-out notes (what is further on is not read), it is the one nearest to middle C, the louder
    of equals.

    Args:
        sets: Sorted sets. A family's note is from the first that has held-out notes of it.
    """
    homes = {family: [data for data in sets if held_out_split(data, family)] for family in FAMILIES}
    return [_in_the_middle(there[0], family) for family, there in homes.items() if there]


def _in_the_middle(data: SortedSet, family: str) -> Note:
    split = held_out_split(data, family)
    assert split is not None, "only families with held-out notes are asked for"
    notes = islice(data.notes(split, family), _TRANSFER_CANDIDATES)
    return min(notes, key=lambda note: (abs(note.pitch - _MIDDLE_C), -note.velocity, note.id))
