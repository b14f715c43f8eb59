"""Records that cannot be sorted: nothing is lost silently."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from components import storage
from components.core.errors import InputError
from components.nsynth import example
from components.nsynth.checksum import crc32c, masked
from components.nsynth.framing import BadRecord, frame
from components.sort import units
from components.sort.verify import verify
from tests.notes import make_note, shard_name, write_source
from tests.sort.sorting import sort

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
        sort(source, str(out))
    assert storage.list_objects(str(out)) == []


def test_quarantine_sets_bad_records_aside_and_counts_them(places):
    source, out = places
    strange = frame(example.encode({"audio": np.zeros(3, np.float32)}))
    damaged = bytearray(frame(NOTES[1].encode()))
    damaged[500] ^= 1
    good = [frame(note.encode()) for note in NOTES]
    shard = good[0] + bytes(damaged) + strange + good[2] + good[3][:-9]
    storage.write_bytes(storage.join(source, shard_name("train", 0, 1)), shard)
    result = sort(source, out, on_bad_record="quarantine")
    assert (result.records, result.quarantined) == (5, 3)
    quarantine = storage.join(out, "train", "quarantine", "part-00000-of-00001.tfrecord")
    assert storage.read_bytes(quarantine) == bytes(damaged) + strange + good[3][:-9]
    entries = storage.read_json(storage.join(out, "train", "manifest.json"))["quarantine"]
    second = len(good[0] + damaged)
    assert [entry["offset"] for entry in entries] == [len(good[0]), second, second + len(strange + good[2])]
    assert ["CRC" in entries[0]["reason"], "no feature 'instrument/family'" in entries[1]["reason"]] == [True, True]
    assert sort(source, out, on_bad_record="quarantine").reused
    with pytest.raises(InputError, match="quarantine"):
        sort(source, out)


def _shard_with(second: bytes) -> bytes:
    return frame(NOTES[0].encode()) + second + frame(NOTES[2].encode())


def _with_length(length: int) -> bytes:
    """A header whose CRC is right, of a record that is not there."""
    header = struct.pack("<Q", length)
    return header + struct.pack("<I", masked(crc32c(header)))


def _flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :]


RECORD = frame(NOTES[1].encode())
DAMAGE = {
    "flipped bit in the length": (_flipped(RECORD, 2), "CRC of its length"),
    "flipped bit in the length's CRC": (_flipped(RECORD, 9), "CRC of its length"),
    "flipped bit in the payload": (_flipped(RECORD, 5000), "CRC of its payload"),
    "flipped bit in the payload's CRC": (_flipped(RECORD, len(RECORD) - 1), "CRC of its payload"),
    "absurd length": (_with_length(1 << 62), "4611686018427387904"),
    "length beyond the shard": (_with_length(60 << 20), "ends within"),
    "not an Example": (frame(b"\xff\xff\xff not a message"), "number|wire type|field|end"),
    "zero-length record": (frame(b""), "it has no feature 'instrument/family'"),
    "unknown family": (frame(example.encode({"instrument/family": np.array([17], np.int64)})), "is 17, expected 0..10"),
    "family of two values": (frame(example.encode({"instrument/family": np.array([1, 2], np.int64)})), "one integer"),
    "garbage between records": (bytes(range(256)) * 3, "CRC of its length"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_or_set_aside_and_the_rest_is_kept(tmp_path, kind):
    damaged, reason = DAMAGE[kind]
    source = tmp_path / "source"
    storage.write_bytes(str(source / shard_name("train", 0, 1)), _shard_with(damaged))
    with pytest.raises(BadRecord, match=reason) as raised:
        sort(source, tmp_path / "out")
    assert (raised.value.shard, raised.value.offset) == (shard_name("train", 0, 1), len(frame(NOTES[0].encode())))
    result = sort(source, tmp_path / "out", on_bad_record="quarantine")
    assert (result.records, result.quarantined, result.totals["string"], result.totals["flute"]) == (3, 1, 1, 1)
    quarantine = tmp_path / "out" / "train" / "quarantine" / "part-00000-of-00001.tfrecord"
    assert quarantine.read_bytes() == damaged
    assert verify(str(tmp_path / "out"))["train"].objects == 3


def test_an_empty_shard_is_bad(tmp_path):
    source = write_source(tmp_path / "source", {"train": NOTES}, shards=2)
    (tmp_path / "source" / shard_name("train", 1, 2)).write_bytes(b"")
    with pytest.raises(BadRecord, match=r"00001-of-00002' at byte 0: the shard is empty"):
        sort(source, tmp_path / "out")
    result = sort(source, tmp_path / "out", on_bad_record="quarantine")
    assert (result.totals["string"], result.quarantined) == (2, 1)
    verify(str(tmp_path / "out"))


def test_an_absurd_length_costs_no_memory(tmp_path):
    storage.write_bytes(str(tmp_path / "source" / shard_name("train", 0, 1)), _shard_with(_with_length(1 << 40)))
    tracemalloc.start()
    with pytest.raises(BadRecord):
        sort(tmp_path / "source", tmp_path / "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


def test_a_family_out_of_range_is_bad(tmp_path):
    values = example.decode(NOTES[0].encode())
    payload = example.encode({**values, "instrument/family": np.array([11], np.int64)})
    storage.write_bytes(str(tmp_path / shard_name("train", 0, 1)), frame(payload))
    with pytest.raises(BadRecord, match=r"at byte 0: 'instrument/family' is 11, expected 0\.\.10"):
        sort(str(tmp_path), str(tmp_path / "out"))


def test_a_shard_cut_off_between_records_is_noticed(tmp_path):
    source = write_source(tmp_path / "source", {"train": NOTES})
    info = {"splits": [{"name": "train", "shardLengths": ["10"]}]}
    storage.write_json(storage.join(source, "dataset_info.json"), info)
    with pytest.raises(InputError, match=r"at byte \d+: the shard has 9 records, dataset_info\.json says 10"):
        sort(source, str(tmp_path / "out"))


def test_a_failing_range_ends_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(units, "PART_BYTES", 1000)
    source = write_source(tmp_path / "source", {"train": NOTES}, shards=3)
    path = tmp_path / "source" / shard_name("train", 1, 3)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadRecord, match="00001-of-00003"):
        sort(source, str(tmp_path / "out"), workers=2)
    assert not list((tmp_path / "out").rglob("manifest.json"))
    assert not list((tmp_path / "out").rglob("*.partial"))


def test_a_hole_counts_as_all_the_records_that_it_has_swallowed(tmp_path):
    source = tmp_path / "source"
    records = [frame(note.encode()) for note in (*NOTES, NOTES[0])][:5]
    shard = bytearray(b"".join(records))
    start, end = len(records[0]) + 1, len(b"".join(records[:4])) - 1
    shard[start:end] = bytes(end - start)
    storage.write_bytes(str(source / shard_name("train", 0, 1)), bytes(shard))
    splits = [{"name": "train", "shardLengths": ["5"]}]
    storage.write_json(str(source / "dataset_info.json"), {"splits": splits})
    result = sort(str(source), str(tmp_path / "out"), on_bad_record="quarantine")
    assert (sum(result.totals.values()), result.quarantined, result.records) == (2, 3, 5)
    (entry,) = storage.read_json(str(tmp_path / "out" / "train" / "manifest.json"))["quarantine"]
    assert entry["lost"] == 3
    verify(str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (gzip.compress(bytes(100), mtime=0), "gzip-compressed"),
        (b"<!DOCTYPE html><html>404 not found</html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "a Git LFS pointer"),
    ],
    ids=["gzip", "html", "lfs"],
)
def test_a_file_that_is_no_shard_is_named_for_what_it_is(tmp_path, content, kind):
    storage.write_bytes(str(tmp_path / "source" / shard_name("train", 0, 1)), content)
    with pytest.raises(BadRecord, match=f"at byte 0: the file is {kind}"):
        sort(tmp_path / "source", tmp_path / "out")
