"""Notes of one id, which clips and numbers must tell apart."""

from __future__ import annotations

from dataclasses import replace

from components.evaluate.note_selection import with_distinct_ids
from tests.notes import make_note


def test_notes_of_one_id_are_told_apart_in_a_stable_order():
    note = make_note()
    ids = ["a", "b", "a", "a (2)", "a", "c"]
    found = [each.id for each in with_distinct_ids([replace(note, id=each) for each in ids])]
    assert found == ["a", "b", "a (3)", "a (2)", "a (4)", "c"]
    assert [each.id for each in with_distinct_ids([replace(note, id=each) for each in "abc"])] == ["a", "b", "c"]
