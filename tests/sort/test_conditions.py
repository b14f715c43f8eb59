"""`--where`: which records are taken, and that nothing else changes."""

import pytest

from components.core.errors import InputError
from components.nsynth.sorted_set import SortedSet
from components.sort.conditions import parse_conditions
from components.sort.verify import verify
from tests.notes import make_note, write_source
from tests.sort.sorting import sort

NOTES = [
    make_note(family, pitch, velocity=velocity)
    for pitch, velocity in ((40, 25), (52, 50), (64, 100), (76, 127))
    for family in ("string", "flute")
]


@pytest.mark.parametrize(
    ("where", "pitches"),
    [
        (["pitch=40..52"], {40, 52}),
        (["pitch=52"], {52}),
        (["pitch>=64"], {64, 76}),
        (["pitch<=40"], {40}),
        (["velocity=25,127"], {40, 76}),
        (["pitch>=50", "velocity<=100"], {52, 64}),
        (["source=acoustic"], {40, 52, 64, 76}),
        ([" pitch = 40..45 , 70..80 "], {40, 76}),
    ],
)
def test_only_what_meets_every_condition_is_taken(tmp_path, where, pitches):
    source = write_source(tmp_path / "source", {"train": NOTES})
    result = sort(source, tmp_path / "out", where=tuple(where))
    assert (result.records, result.left_out) == (2 * len(pitches), 8 - 2 * len(pitches))
    opened = SortedSet.open(str(tmp_path / "out"))
    assert {note.pitch for note in opened.notes("train", "string")} == pitches
    verify(str(tmp_path / "out"))


def test_conditions_that_leave_out_every_record_are_an_error(tmp_path):
    source = write_source(tmp_path / "source", {"train": NOTES, "valid": NOTES[:1]})
    for _ in range(2):  # the second sort finds the empty split of the first
        with pytest.raises(InputError, match=r"--where source=electronic leaves out every record, all 8 of train"):
            sort(source, tmp_path / "out", where=("source=electronic",))


def test_the_same_meaning_is_the_same_sort(tmp_path):
    source = write_source(tmp_path / "source", {"train": NOTES})
    first = sort(source, tmp_path / "out", where=("velocity<=100", "pitch>=64"))
    assert sort(source, tmp_path / "out", where=("pitch=64..127", "velocity = 0..100")).reused
    with pytest.raises(InputError, match="holds another sort"):
        sort(source, tmp_path / "out")
    assert sort(source, tmp_path / "whole").fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pitsch=3", "there is no field 'pitsch': did you mean 'pitch'"),
        ("pitch", "expected a field, =, >= or <=, and values, for instance pitch=40..60"),
        ("pitch=x", "'x' is not a whole number of 0..127"),
        ("pitch=200", "'200' is not a whole number of 0..127"),
        ("pitch=" + "9" * 5000, "999' is not a whole number of 0..127"),
        ("pitch=60..40", "the range 60..40 is empty"),
        ("source=akoustic", "there is no source 'akoustic': did you mean 'acoustic'"),
        ("source>=acoustic", "sources have no order; expected source=acoustic"),
        ("pitch==3", "expected a field"),
    ],
)
def test_what_cannot_be_understood_is_said(text, message):
    with pytest.raises(InputError) as raised:
        parse_conditions([text])
    assert message in str(raised.value)
