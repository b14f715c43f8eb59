"""Shards into arrays: equal from memory and from mapped files, from a path and from gs://; nothing damaged gets in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components import storage
from components.audio.f0 import fill_forward
from components.audio.loudness import loudness_db
from components.core import environment
from components.core.errors import InputError, StepError
from components.nsynth.sorted_set import SortedSet
from components.storage import gcs_reading
from components.train.dataset import Batch, Dataset
from components.train.note_cache import NoteCache
from tests.notes import make_note, write_sorted_set

NOTES = [make_note(pitch=pitch, seed=seed) for seed in range(2) for pitch in (50, 55, 60, 65)]
_PLENTY, _NOTHING = 100.0, 0.0


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> SortedSet:
    root = tmp_path_factory.mktemp("cache") / "sorted"
    return SortedSet.open(write_sorted_set(root, {"train": [*NOTES, make_note("organ")]}))


@pytest.fixture
def cache_root(tmp_path, monkeypatch) -> Path:
    """Where the mapped files are kept."""
    monkeypatch.setenv(environment.NOTE_CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def _all(data: SortedSet, memory_mb: float = _PLENTY) -> Batch:
    with NoteCache(memory_mb) as cache:
        return cache.notes(data, "train", "string", range(len(NOTES)))


def _assert_equal(one: Batch, other: Batch) -> None:
    for name in ("audio", "f0_hz", "loudness_db"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_every_note_is_there_as_the_models_hear_it(data):
    found = _all(data)
    stored = list(data.notes("train", "string"))
    np.testing.assert_array_equal(found.audio, [note.audio for note in stored])
    np.testing.assert_array_equal(found.f0_hz, fill_forward([note.f0_hz for note in stored]))
    np.testing.assert_array_equal(found.loudness_db, loudness_db(found.audio))


def test_beyond_the_budget_the_same_is_in_mapped_files(data, cache_root):
    mapped = _all(data, _NOTHING)
    assert isinstance(mapped.audio, np.memmap)
    _assert_equal(mapped, _all(data))
    pieces = [batch.crops(np.array([3, 0]), np.array([7, 900]), 4096) for batch in (mapped, _all(data))]
    _assert_equal(*pieces)


def test_what_is_cached_is_not_read_again(data, cache_root, tmp_path):
    moved = SortedSet(str(tmp_path / "gone"), data.manifests)
    _all(data, _NOTHING)
    _assert_equal(_all(moved, _NOTHING), _all(data))
    for complete in cache_root.rglob("complete"):
        complete.unlink()
    with pytest.raises(InputError, match="gone"):
        _all(moved, _NOTHING)


def test_without_a_directory_of_its_own_the_cache_is_gone_when_the_training_is_done(data, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv(environment.NOTE_CACHE, raising=False)
    with pytest.raises(KeyboardInterrupt), NoteCache(_NOTHING) as cache:
        cache.notes(data, "train", "string", range(len(NOTES)))
        raise KeyboardInterrupt
    assert list(tmp_path.rglob("audio"))
    _all(data, _NOTHING)
    assert not list(tmp_path.rglob("audio"))


def test_only_some_notes_may_be_wanted(data):
    with NoteCache(_PLENTY) as cache:
        some = cache.notes(data, "train", "string", [1, 6])
    np.testing.assert_array_equal(some.audio, _all(data).audio[[1, 6]])


def test_shards_on_gs_are_read_likewise(data, gcs):
    bucket = gcs.bucket()
    storage.upload_tree(data.uri, bucket)
    _assert_equal(_all(SortedSet.open(bucket)), _all(data))


def test_damage_on_the_way_is_not_taken_for_a_bad_record(data, faulty_gcs, monkeypatch):
    monkeypatch.setattr(gcs_reading, "RANGE_BYTES", 128 << 10)
    bucket = faulty_gcs.bucket()
    storage.upload_tree(data.uri, bucket)
    remote = SortedSet.open(bucket)
    faulty_gcs.inject("read", "damaged", times=1000)
    with pytest.raises(storage.Corrupted, match="arrived damaged"):
        _all(remote)
    faulty_gcs.heal()
    _assert_equal(_all(remote), _all(data))


def _damaged(data: SortedSet, tmp_path: Path, change) -> SortedSet:
    root = tmp_path / "damaged"
    storage.upload_tree(data.uri, str(root))
    [entry] = [entry for entry in data.manifests["train"]["objects"] if entry["group"] == "string"]
    change(root / "train" / entry["name"], root / "train" / "manifest.json")
    return SortedSet.open(str(root))


def _flip(shard: Path, manifest: Path) -> None:
    content = bytearray(shard.read_bytes())
    content[300_000] ^= 1
    shard.write_bytes(content)


def _lose_a_record(shard: Path, manifest: Path) -> None:
    content = shard.read_bytes()
    length = int.from_bytes(content[:8], "little") + 16
    shard.write_bytes(content[length:])


def _another_checksum(shard: Path, manifest: Path) -> None:
    described = json.loads(manifest.read_text())
    for entry in described["objects"]:
        entry["crc32c"] = "AAAAAA=="
    manifest.write_text(json.dumps(described))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_flip, "at byte .*: the CRC of its payload does not match"),
        (_lose_a_record, "has 7 records, its manifest says 8"),
        (_another_checksum, "its checksum differs"),
    ],
)
@pytest.mark.parametrize("memory_mb", [_PLENTY, _NOTHING])
def test_nothing_damaged_gets_in(data, tmp_path, cache_root, change, says, memory_mb):
    with pytest.raises(InputError, match=says):
        _all(_damaged(data, tmp_path, change), memory_mb)
    assert not list(cache_root.rglob("complete"))


def test_a_sample_that_is_no_number_is_named(tmp_path):
    broken = replace(NOTES[0], audio=np.full(64_000, np.nan, np.float32))
    data = SortedSet.open(write_sorted_set(tmp_path / "sorted", {"train": [broken]}))
    with pytest.raises(InputError, match=f"the note '{broken.id}' in .* not finite"), NoteCache(_PLENTY) as cache:
        cache.notes(data, "train", "string", range(1))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"audio": np.full(64_000, 13_109, np.float32)}, "samples up to 13109, expected -1 to 1"),
        ({"f0_hz": np.full(1_000, -284, np.float32)}, "an f0 of -284 Hz, expected 1 to 8000"),
        ({"f0_hz": np.full(1_000, 0.25, np.float32)}, "an f0 of 0.25 Hz, expected 1 to 8000"),
        ({"f0_hz": np.full(1_000, 9_000, np.float32)}, "an f0 of 9000 Hz"),
        ({"velocity": -1}, "has the velocity -1, expected 0 to 127"),
        ({"audio": np.zeros(64_000, np.float32)}, "all notes of string in .* are silent"),
        ({"f0_hz": np.zeros(1_000, np.float32)}, "all notes of string in .* have no pitch"),
    ],
)
def test_notes_that_mislead_are_refused_before_a_training(tmp_path, changed, said):
    notes = [replace(note, **changed) for note in NOTES[:2]]
    data = SortedSet.open(write_sorted_set(tmp_path / "sorted", {"train": notes}))
    with pytest.raises(InputError, match=said), NoteCache(_PLENTY) as cache:
        Dataset.read(data, "string", 1, cache)


def test_a_disk_without_room_is_one_line(data, cache_root, monkeypatch):
    """RLIMIT_FSIZE stands for the disk: a file may have a megabyte, the audio needs two."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(StepError, match=r"cannot cache 8 notes \(2 MB\) in .*: File too large"):
            _all(data, _NOTHING)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    _assert_equal(_all(data, _NOTHING), _all(data))
