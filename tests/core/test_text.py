"""Counts with their nouns."""

from __future__ import annotations

import pytest

from components.core.text import counted


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (1, "recording", "1 recording"),
        (0, "recording", "0 recordings"),
        (60_788, "record", "60,788 records"),
        (1, "family", "1 family"),
        (2, "family", "2 families"),
        (2, "key", "2 keys"),
        (3, "batch", "3 batches"),
        (1, "held-out note", "1 held-out note"),
    ],
)
def test_a_count_agrees_with_its_noun(count, noun, text):
    assert counted(count, noun) == text


def test_another_plural():
    assert counted(1, "file of another kind", "files of other kinds") == "1 file of another kind"
    assert counted(2, "file of another kind", "files of other kinds") == "2 files of other kinds"
