import re
from dataclasses import replace

import numpy as np
import pytest

from components import storage
from components.core.errors import InputError
from components.nsynth.sorted_set import SortedSet
from components.sort import units
from components.sort.step import sort
from tests.notes import make_note, write_sorted_set, write_source

STRINGS = [make_note("string", pitch) for pitch in (50, 60)]


@pytest.fixture
def root(tmp_path):
    return write_sorted_set(tmp_path / "sorted", {"train": STRINGS, "test": STRINGS[:1]})


def test_it_gives_back_the_notes(root):
    opened = SortedSet.open(root)
    assert opened.splits() == ["train", "test"]
    assert {family: count for family, count in opened.families("train").items() if count} == {"string": 2}
    assert len(opened.families("train")) == 11
    assert [note.id for note in opened.notes("train", "string")] == [note.id for note in STRINGS]
    assert list(opened.records("test", "string")) == [STRINGS[0].encode()]


def test_what_is_not_there_is_said(root, tmp_path):
    opened = SortedSet.open(root)
    with pytest.raises(InputError, match="has no synth_lead in its train split; it has string"):
        opened.records("train", "synth_lead")
    with pytest.raises(InputError, match="no instrument family 'strng': did you mean 'string'"):
        opened.notes("train", "strng")
    with pytest.raises(InputError, match="has no valid split, only train, test"):
        opened.families("valid")
    with pytest.raises(InputError, match="is not a sorted set"):
        SortedSet.open(str(tmp_path))


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"velocity": -1}, "has the velocity -1, expected 0 to 127"),
        ({"pitch": 200}, "has the pitch 200, expected 0 to 127"),
        ({"audio": np.full(64_000, np.nan, np.float32)}, "has samples that are not finite"),
        ({"f0_hz": np.full(1_000, 12_544, np.float32)}, "has an f0 of 12544 Hz, expected 1 to 8000"),
    ],
)
def test_notes_that_cannot_be_used_are_refused(tmp_path, values, complaint):
    """An evaluation of such labels could not be read again, and one of NaN said that the model had diverged."""
    root = write_sorted_set(tmp_path / "sorted", {"test": [replace(STRINGS[0], **values)]})
    with pytest.raises(InputError, match=re.escape(f"the note '{STRINGS[0].id}' in '{root}/test' {complaint}")):
        list(SortedSet.open(root).notes("test", "string"))


def test_it_trusts_the_manifest_and_checks_against_it(root):
    part = storage.join(root, "train", "string", "part-00000-of-00001.tfrecord")
    whole = storage.read_bytes(part)
    storage.write_bytes(storage.join(root, "train", "string", "part-00001-of-00002.tfrecord"), whole)
    assert len(list(SortedSet.open(root).records("train", "string"))) == 2
    storage.write_bytes(part, whole[: len(whole) // 2])
    with pytest.raises(InputError, match="has 1 record, its manifest says 2"):
        list(SortedSet.open(root).records("train", "string"))
    storage.write_bytes(part, whole[:-1])
    with pytest.raises(InputError, match="the shard ends within the record"):
        list(SortedSet.open(root).records("train", "string"))


def test_a_familys_fingerprint_is_of_its_records_alone(tmp_path):
    def fingerprint(name, strings, others, shards=1):
        source = write_source(tmp_path / f"{name}-source", {"train": [*strings, *others], "valid": strings[:1]}, shards)
        sort(source, str(tmp_path / name), splits=())
        return SortedSet.open(str(tmp_path / name)).family_fingerprint("string")

    organ = [make_note("organ", pitch) for pitch in (50, 60)]
    alone = fingerprint("alone", STRINGS, [])
    assert fingerprint("beside-others", STRINGS, organ) == alone
    assert fingerprint("less", STRINGS[:1], organ) != alone
    assert fingerprint("other-order", STRINGS[::-1], organ) != alone


def test_however_its_parts_are_cut(tmp_path, monkeypatch):
    def fingerprint(name):
        source = write_source(tmp_path / f"{name}-source", {"train": STRINGS}, shards=2)
        sort(source, str(tmp_path / name))
        opened = SortedSet.open(str(tmp_path / name))
        return opened.family_fingerprint("string"), len(opened.manifests["train"]["objects"])

    whole, _ = fingerprint("whole")
    monkeypatch.setattr(units, "PART_BYTES", 1)
    assert fingerprint("in-two-parts") == (whole, 2)


def test_another_schema_is_refused(root):
    storage.write_json(storage.join(root, "train", "manifest.json"), {"schema_version": 2})
    with pytest.raises(InputError, match=r"schema version 2, expected 1; sort again"):
        SortedSet.open(root)
