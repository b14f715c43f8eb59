"""Which notes are played, and how far a note of another family is moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core.errors import InputError
from components.evaluate import note_selection
from components.nsynth.sorted_set import SortedSet
from tests.notes import make_note, write_sorted_set


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> SortedSet:
    notes = {
        "train": [make_note("flute", 60)],
        "valid": [make_note("keyboard", pitch) for pitch in (40, 62, 80)],
        "test": [make_note("string", pitch) for pitch in range(50, 60)] + [make_note("brass", 50)],
    }
    return SortedSet.open(write_sorted_set(tmp_path_factory.mktemp("data") / "sorted", notes))


def test_held_out_notes_are_spread_over_the_split(data: SortedSet) -> None:
    split, notes = note_selection.held_out_notes(data, "string", 64)
    assert (split, len(notes)) == ("test", 10)
    _, notes = note_selection.held_out_notes(data, "string", 2)
    assert [note.pitch for note in notes] == [52, 57]


def test_valid_stands_in_for_an_empty_test_split(data: SortedSet) -> None:
    assert note_selection.held_out_notes(data, "keyboard", 64)[0] == "valid"


def test_no_held_out_notes(data: SortedSet) -> None:
    with pytest.raises(InputError, match="no held-out flute note"):
        note_selection.held_out_notes(data, "flute", 64)


def test_the_note_of_each_family_is_the_same_for_every_model(data: SortedSet, tmp_path: Path) -> None:
    notes = {note.family: note for note in note_selection.note_of_each_family([data])}
    assert list(notes) == ["brass", "keyboard", "string"]  # flute has no held-out note
    assert [note.pitch for note in notes.values()] == [50, 62, 59]  # the nearest to middle C
    others = {"train": [make_note("reed")], "test": [make_note("reed", 61), make_note("string", 60, seed=1)]}
    more = note_selection.note_of_each_family([data, SortedSet.open(write_sorted_set(tmp_path / "sorted", others))])
    assert [note.id for note in more[:2]] == [notes["brass"].id, notes["keyboard"].id]
    assert [note.id for note in more[2:]] == [make_note("reed", 61).id, notes["string"].id]  # the first set has one


def test_of_equals_the_louder_note_is_taken_and_few_are_read(
    data: SortedSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = [
        make_note("reed", pitch, velocity=velocity) for pitch, velocity in ((58, 50), (62, 100), (58, 75), (60, 9))
    ]
    reeds = SortedSet.open(write_sorted_set(tmp_path / "sorted", {"train": notes[:1], "test": notes}))
    assert note_selection.note_of_each_family([reeds])[0].pitch == 60
    monkeypatch.setattr(note_selection, "TRANSFER_CANDIDATES", 3)
    assert note_selection.note_of_each_family([reeds])[0].id == notes[1].id
