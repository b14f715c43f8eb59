import pytest

from components import storage
from components.errors import InputError
from components.nsynth.sorted_set import SortedSet
from tests.notes import make_note, write_sorted_set

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


def test_it_trusts_the_manifest_and_checks_against_it(root):
    part = storage.join(root, "train", "string", "part-00000-of-00001.tfrecord")
    whole = storage.read_bytes(part)
    storage.write_bytes(storage.join(root, "train", "string", "part-00001-of-00002.tfrecord"), whole)
    assert len(list(SortedSet.open(root).records("train", "string"))) == 2
    storage.write_bytes(part, whole[: len(whole) // 2])
    with pytest.raises(InputError, match="has 1 records, its manifest says 2"):
        list(SortedSet.open(root).records("train", "string"))
    storage.write_bytes(part, whole[:-1])
    with pytest.raises(InputError, match="the shard ends within the record"):
        list(SortedSet.open(root).records("train", "string"))


def test_another_schema_is_refused(root):
    storage.write_json(storage.join(root, "train", "manifest.json"), {"schema_version": 2})
    with pytest.raises(InputError, match=r"schema 1 \(got 2\)"):
        SortedSet.open(root)
