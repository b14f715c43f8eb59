"""Which notes are played, and how far a note of another family is moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import InputError
from components.evaluate import choose
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
    split, notes = choose.held_out_notes(data, "string", 64)
    assert (split, len(notes)) == ("test", 10)
    _, notes = choose.held_out_notes(data, "string", 2)
    assert [note.pitch for note in notes] == [52, 57]


def test_valid_stands_in_for_an_empty_test_split(data: SortedSet) -> None:
    assert choose.held_out_notes(data, "keyboard", 64)[0] == "valid"


def test_no_held_out_notes(data: SortedSet) -> None:
    with pytest.raises(InputError, match="no held-out flute note"):
        choose.held_out_notes(data, "flute", 64)


@pytest.mark.parametrize(
    ("family", "wanted", "source"),
    [
        ("string", None, "keyboard"),
        ("keyboard", None, "string"),
        ("brass", None, "string"),
        ("string", "brass", "brass"),
    ],
)
def test_the_note_of_another_family(data: SortedSet, family: str, wanted: str | None, source: str) -> None:
    note = choose.transfer_note(data, family, wanted)
    assert note is not None
    assert note.family == source
    assert source != "keyboard" or note.pitch == 62  # the nearest to middle C


def test_a_set_of_one_family_has_no_transfer(tmp_path: Path) -> None:
    only = SortedSet.open(
        write_sorted_set(tmp_path / "sorted", {split: [make_note("reed")] for split in ("train", "test")})
    )
    assert choose.transfer_note(only, "reed", None) is None
    with pytest.raises(InputError, match="no held-out organ note"):
        choose.transfer_note(only, "reed", "organ")


@pytest.mark.parametrize(
    ("pitch", "octaves"),
    [(60, 0), (55, 0), (36, 1), (30, 2), (84, -1), (96, -2)],
)
def test_octaves_into_the_training_range(pitch: int, octaves: int) -> None:
    lowest_hz, highest_hz = (440.0 * 2 ** ((midi - 69) / 12) for midi in (47, 75))
    assert choose.octaves_to_fit(make_note("keyboard", pitch), lowest_hz, highest_hz) == octaves


def test_a_range_narrower_than_an_octave_is_approached() -> None:
    assert choose.octaves_to_fit(make_note("keyboard", 36), 430.0, 450.0) == 3  # C5 is nearer to A4 than C4
