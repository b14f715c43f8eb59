"""Names of the files of listening samples."""

from __future__ import annotations

from components.artifacts.clips import LONGEST_STEM, stem


def test_ordinary_ids_are_their_own_names_and_all_names_are_different_short_and_of_plain_characters():
    ordinary = ["string_acoustic_948-060-075", "flute-take-1-3f2b9c1d", "flute-take-1-w000"]
    assert [stem(each) for each in ordinary] == ordinary
    changed = stem("a b")
    ids = ["a b", "a_b", "a<b", "a/b", "../../a", "..a", "", "é", "x" * 190, "x" * 189, changed, f"transfer-{changed}"]
    names = [stem(each) for each in ids]
    assert len(set(names)) == len(ids)
    for name in names:
        assert 0 < len(name) <= LONGEST_STEM and not name.startswith(".") and "/" not in name and name.isascii()
    assert stem("transfer-a") != "transfer-a"  # the clip of another note
