"""Sorting: nothing lost, nothing changed, nothing read that is not finished."""

import base64
import dataclasses
import json
import os
from collections import Counter

import google_crc32c
import pytest

from components import storage
from components.core.errors import InputError
from components.nsynth import example
from components.nsynth.families import FAMILIES
from components.nsynth.framing import frame, read_records
from components.nsynth.sorted_set import SortedSet
from components.sort import step, units
from tests.notes import make_note, shard_name, write_source
from tests.sort.sorting import all_bytes, sort

NOTES = [make_note(family, pitch, velocity=90) for pitch in (50, 62, 74) for family in ("string", "keyboard", "flute")]


def _payloads(uri):
    with storage.open_read(uri) as stream:
        return [record.payload for record in read_records(stream, uri)]


def test_every_record_arrives_in_order_and_unchanged(places):
    source, out = places
    write_source(source, {"train": NOTES}, shards=2)
    result = sort(source, out)
    assert (result.records, result.quarantined, result.reused) == (9, 0, False)
    assert result.totals == {**dict.fromkeys(FAMILIES, 0), "string": 3, "keyboard": 3, "flute": 3}
    in_order = [payload for info in storage.list_objects(source) for payload in _payloads(info.uri)]
    for family in ("string", "keyboard", "flute"):
        part = storage.join(out, "train", family, "part-00000-of-00001.tfrecord")
        index = FAMILIES.index(family)
        expected = [payload for payload in in_order if example.decode(payload)["instrument/family"][0] == index]
        assert storage.read_bytes(part) == b"".join(map(frame, expected))
    folders = {info.name.partition("/")[0] for info in storage.list_objects(storage.join(out, "train"))}
    assert folders == {"string", "keyboard", "flute", "manifest.json"}


def test_the_manifest_describes_source_and_parts(places):
    source, out = places
    write_source(source, {"train": NOTES}, shards=2)
    result = sort(source, out)
    manifest = storage.read_json(storage.join(out, "train", "manifest.json"))
    assert (manifest["schema_version"], manifest["split"], manifest["by"]) == (1, "train", "family")
    assert manifest["fingerprint"] == result.fingerprint
    assert manifest["source"]["uri"] == source
    for entry, info in zip(manifest["source"]["objects"], storage.list_objects(source), strict=True):
        expected = {"name": info.name, "size": info.size, "generation": info.generation, "crc32c": info.crc32c}
        assert entry == {**expected, "records": len(_payloads(info.uri))}
    for entry in manifest["objects"]:
        content = storage.read_bytes(storage.join(out, "train", entry["name"]))
        assert entry["bytes"] == len(content)
        assert entry["crc32c"] == base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode()
    assert sum(entry["records"] for entry in manifest["objects"]) == manifest["records"] == 9
    assert result.bytes == sum(entry["bytes"] for entry in manifest["objects"])


def test_sorting_the_same_again_does_nothing(places):
    source, out = places
    write_source(source, {"train": NOTES}, shards=2)
    first = sort(source, out)
    before = all_bytes(out), [info.generation for info in storage.list_objects(out)]
    again = sort(source, out)
    assert again == dataclasses.replace(first, reused=True)
    assert (all_bytes(out), [info.generation for info in storage.list_objects(out)]) == before


def test_a_touched_source_is_the_same_and_a_changed_one_is_not(tmp_path):
    source, out = write_source(tmp_path / "source", {"train": NOTES}), tmp_path / "out"
    first = sort(source, str(out))
    (tmp_path / "source" / shard_name("train", 0, 1)).touch()
    assert sort(source, str(out)).reused
    write_source(source, {"train": [*NOTES[:-1], make_note("flute", 74, seed=5, velocity=90)]})
    with pytest.raises(
        InputError,
        match=rf"fingerprint {first.fingerprint}, expected \w+; sort into another directory, or .*--overwrite",
    ):
        sort(source, str(out))
    replaced = sort(source, str(out), overwrite=True)
    assert not replaced.reused
    assert SortedSet.open(str(out)).fingerprint("train") == replaced.fingerprint != first.fingerprint


def test_a_smaller_sort_leaves_nothing_of_a_larger_one(tmp_path):
    out = str(tmp_path / "out")
    sort(write_source(tmp_path / "a", {"train": NOTES}), out)
    sort(write_source(tmp_path / "b", {"train": NOTES[:1]}), out, overwrite=True)
    assert [info.name for info in storage.list_objects(storage.join(out, "train"))] == [
        "manifest.json",
        "string/part-00000-of-00001.tfrecord",
    ]


def test_a_sort_that_did_not_finish_is_not_read_and_is_replaced(tmp_path):
    source, out = write_source(tmp_path / "source", {"train": NOTES}), tmp_path / "out"
    sort(source, str(out))
    (out / "train" / "manifest.json").unlink()
    (out / "train" / "string" / "part-00000-of-00001.tfrecord").write_bytes(b"half")
    (out / "train" / "vocal").mkdir()
    (out / "train" / "vocal" / ".part-00000-of-00001.tfrecord.0123.partial").write_bytes(b"half")
    with pytest.raises(InputError, match="did not finish"):
        SortedSet.open(str(out))
    assert not sort(source, str(out)).reused
    assert len(list(SortedSet.open(str(out)).notes("train", "string"))) == 3
    assert not list(out.rglob("*.partial"))


def test_other_files_in_the_output_are_left_alone(tmp_path):
    source, out = write_source(tmp_path / "source", {"train": NOTES}), tmp_path / "out"
    (out / "train" / "string").mkdir(parents=True)
    (out / "train" / "string" / "my take.wav").write_bytes(b"mine")
    (out / "train" / "notes.txt").write_bytes(b"mine")
    sort(source, str(out))
    assert (out / "train" / "string" / "my take.wav").exists()
    assert (out / "train" / "notes.txt").exists()


def test_lost_parts_are_sorted_again(tmp_path):
    source, out = write_source(tmp_path / "source", {"train": NOTES}), tmp_path / "out"
    sort(source, str(out))
    (out / "train" / "string" / "part-00000-of-00001.tfrecord").unlink()
    assert not sort(source, str(out)).reused
    assert sort(source, str(out)).reused


@pytest.mark.parametrize("workers", [1, 3])
def test_large_sources_give_several_parts_whatever_the_workers(tmp_path, monkeypatch, workers):
    monkeypatch.setattr(units, "PART_BYTES", 60_000)
    notes = [*NOTES, make_note("vocal", 60)]  # vocal: in one range alone
    source = write_source(tmp_path / "source", {"train": notes}, shards=5)
    result = sort(source, str(tmp_path / "out"), workers=workers)
    assert (result.records, result.totals["vocal"]) == (10, 1)
    names = [info.name for info in storage.list_objects(str(tmp_path / "out" / "train" / "string"))]
    assert names == [f"part-{index:05d}-of-{len(names):05d}.tfrecord" for index in range(len(names))]
    assert len(names) > 1
    opened = SortedSet.open(str(tmp_path / "out"))
    found = Counter(
        note.id for family in ("string", "keyboard", "flute", "vocal") for note in opened.notes("train", family)
    )
    assert found == Counter(note.id for note in notes)


@pytest.mark.parametrize(
    ("by", "groups"),
    [("source", {"acoustic"}), ("instrument", {"instrument-0008", "instrument-0004", "instrument-0002"})],
)
def test_other_groupings(tmp_path, by, groups):
    source = write_source(tmp_path / "source", {"train": NOTES})
    result = sort(source, str(tmp_path / "out"), by=by)
    assert {group for group, records in result.totals.items() if records} == groups
    with pytest.raises(InputError, match=f"sorted by {by}, expected by family"):
        SortedSet.open(str(tmp_path / "out")).families("train")


def test_all_splits_and_the_families_asked_for(tmp_path):
    source = write_source(tmp_path / "source", {"train": NOTES, "valid": NOTES[:3], "test": NOTES[3:6]})
    out = str(tmp_path / "out")
    result = step.sort(source, out, splits=())
    assert result.families(["keyboard", "string"]) == ["keyboard", "string"]
    assert result.families() == ["flute", "keyboard", "string"]
    assert result.summary() == "15 records (9 train, 3 valid, 3 test)"
    again = step.sort(source, out, splits=())
    assert again.fingerprint == result.fingerprint
    assert again.summary() == "15 records (9 train, 3 valid, 3 test, sorted before)"
    with pytest.raises(InputError, match=r"there is no synth_lead in the source's train split, only flute, keyboard"):
        again.families(["synth_lead"])


def test_the_sort_can_be_repeated_byte_for_byte(tmp_path):
    source = write_source(tmp_path / "source", {"train": NOTES}, shards=2)
    sort(source, str(tmp_path / "a"))
    sort(source, str(tmp_path / "b"), workers=2)
    assert all_bytes(str(tmp_path / "a")) == all_bytes(str(tmp_path / "b"))


def test_what_no_reader_would_find_is_refused(tmp_path):
    source = write_source(tmp_path / "source", {"train": NOTES[:1], "dev": NOTES[:1]})
    for splits in ((), ("dev",)):
        with pytest.raises(InputError, match="has the split 'dev', expected train, valid, test; rename its shards"):
            step.sort(source, str(tmp_path / "out"), splits)
    other = write_source(os.fsdecode(os.fsencode(tmp_path) + b"/gr\xfcn"), {"train": NOTES[:1]})
    with pytest.raises(InputError, match=r"gr\\xfcn': its path is not UTF-8"):
        sort(other, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_manifest_is_plain_json(tmp_path):
    source = write_source(tmp_path / "source", {"train": NOTES})
    sort(source, str(tmp_path / "out"))
    text = (tmp_path / "out" / "train" / "manifest.json").read_text()
    assert text == json.dumps(json.loads(text), sort_keys=True, indent=1, ensure_ascii=False) + "\n"
