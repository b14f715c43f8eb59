"""Records that cannot be sorted: nothing is lost silently."""

from pathlib import Path

import numpy as np
import pytest

from components import storage
from components.errors import InputError
from components.nsynth import example
from components.nsynth.framing import BadRecord, frame
from components.sort import step
from tests.notes import make_note, shard_name, write_source

NOTES = [make_note(family, pitch, velocity=90) for pitch in (50, 62, 74) for family in ("string", "keyboard", "flute")]


def _damage(folder, position, value=b"\xff"):
    path = Path(folder, shard_name("train", 0, 1))
    data = bytearray(path.read_bytes())
    data[position : position + len(value)] = value
    path.write_bytes(bytes(data))


def test_a_damaged_record_stops_with_shard_offset_and_reason(tmp_path):
    source, out = write_source(tmp_path / "source", {"train": NOTES}), tmp_path / "out"
    offset = len(frame(NOTES[0].encode()))
    _damage(source, offset + 1000, b"\xff\xff\xff")
    reason = r"'nsynth-train\.tfrecord-00000-of-00001' at byte {}: the CRC of its payload"
    with pytest.raises(BadRecord, match=reason.format(offset)):
        step.sort(source, str(out))
    assert storage.list_objects(str(out)) == []


def test_quarantine_sets_bad_records_aside_and_counts_them(places):
    source, out = places
    strange = frame(example.encode({"audio": np.zeros(3, np.float32)}))
    damaged = bytearray(frame(NOTES[1].encode()))
    damaged[500] ^= 1
    good = [frame(note.encode()) for note in NOTES]
    shard = good[0] + bytes(damaged) + strange + good[2] + good[3][:-9]
    storage.write_bytes(storage.join(source, shard_name("train", 0, 1)), shard)
    result = step.sort(source, out, on_bad_record="quarantine")
    assert (result.records, result.quarantined) == (5, 3)
    quarantine = storage.join(out, "train", "quarantine", "part-00000-of-00001.tfrecord")
    assert storage.read_bytes(quarantine) == bytes(damaged) + strange + good[3][:-9]
    entries = storage.read_json(storage.join(out, "train", "manifest.json"))["quarantine"]
    second = len(good[0] + damaged)
    assert [entry["offset"] for entry in entries] == [len(good[0]), second, second + len(strange + good[2])]
    assert ["CRC" in entries[0]["reason"], "no 'instrument/family'" in entries[1]["reason"]] == [True, True]
    assert step.sort(source, out, on_bad_record="quarantine").reused
    with pytest.raises(InputError, match="quarantine"):
        step.sort(source, out)


def test_a_family_out_of_range_is_bad(tmp_path):
    values = example.decode(NOTES[0].encode())
    payload = example.encode({**values, "instrument/family": np.array([11], np.int64)})
    storage.write_bytes(str(tmp_path / shard_name("train", 0, 1)), frame(payload))
    with pytest.raises(BadRecord, match=r"at byte 0: 'instrument/family' is 11, expected 0\.\.10"):
        step.sort(str(tmp_path), str(tmp_path / "out"))


def test_a_shard_cut_off_between_records_is_noticed(tmp_path):
    source = write_source(tmp_path / "source", {"train": NOTES})
    info = {"splits": [{"name": "train", "shardLengths": ["10"]}]}
    storage.write_json(storage.join(source, "dataset_info.json"), info)
    with pytest.raises(InputError, match=r"has 9 train records, its dataset_info\.json says 10"):
        step.sort(source, str(tmp_path / "out"))


def test_a_failing_range_ends_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(step, "_PART_BYTES", 1000)
    source = write_source(tmp_path / "source", {"train": NOTES}, shards=3)
    path = tmp_path / "source" / shard_name("train", 1, 3)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadRecord, match="00001-of-00003"):
        step.sort(source, str(tmp_path / "out"), workers=2)
    assert not list((tmp_path / "out").rglob("manifest.json"))
    assert not list((tmp_path / "out").rglob("*.partial"))
