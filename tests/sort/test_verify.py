"""`luthier sort --verify`: a sorted set proved against its manifest."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from components import storage
from components.core.errors import InputError, StepError
from components.sort.verify import verify
from tests.notes import make_note, write_source
from tests.sort.sorting import processes_of, sort
from tests.waiting import wait_until

NOTES = [make_note(family, pitch) for pitch in (50, 62) for family in ("string", "keyboard", "flute")]
STRING = "train/string/part-00000-of-00001.tfrecord"
FLUTE = "train/flute/part-00000-of-00001.tfrecord"


@pytest.fixture
def sorted_set(tmp_path):
    sort(write_source(tmp_path / "source", {"train": NOTES}), tmp_path / "out")
    return tmp_path / "out"


def test_a_whole_set_is_proved_by_one_process_or_two(sorted_set):
    for workers in (1, 2):
        found = verify(str(sorted_set), workers)["train"]
        assert (found.totals["string"], found.objects) == (2, 3)


def test_there_are_no_more_workers_than_parts(sorted_set, monkeypatch):
    asked = []

    def recording(workers, *arguments):
        asked.append(workers)
        return ProcessPoolExecutor(workers, *arguments)

    monkeypatch.setattr("components.sort.verify.ProcessPoolExecutor", recording)
    verify(str(sorted_set), 100_000)
    assert asked == [3]


def test_a_worker_process_that_dies_is_one_line(sorted_set, monkeypatch):
    monkeypatch.setattr("components.sort.workers.threading.active_count", lambda: 1)  # a fork has the change below
    monkeypatch.setattr("components.sort.verify.Scanner", lambda *arguments: os._exit(9))
    with pytest.raises(StepError, match="a worker process of the sort died"):
        verify(str(sorted_set), 2)


def test_a_killed_parent_leaves_no_worker_behind(sorted_set):
    script = f"""
import time
from components.sort import verify
def slow(*arguments):
    print("working", flush=True)
    time.sleep(600)
verify.Scanner = slow
verify.verify({str(sorted_set)!r}, 2)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    assert parent.stdout.readline().startswith(b"working")
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not processes_of(parent.pid), "no worker process outlives the verification")


def test_it_reads_from_a_bucket(gcs, tmp_path):
    out = storage.join(gcs.bucket(), "out")
    sort(write_source(tmp_path / "source", {"train": NOTES}), out)
    assert verify(out)["train"].totals["flute"] == 2
    storage.write_bytes(storage.join(out, STRING), b"short")
    with pytest.raises(InputError, match=r"string/part-00000-of-00001\.tfrecord has 5 bytes, expected \d+"):
        verify(out)


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(bytes(data))


def test_a_flipped_bit_is_found_with_its_record(sorted_set):
    flip(sorted_set / STRING, 300_000)
    with pytest.raises(InputError, match=r"string/part\S+ at byte 27\d+: the CRC of its payload .*; .*CRC32C"):
        verify(str(sorted_set))


def test_parts_that_changed_places_are_found(sorted_set):
    one, other = (sorted_set / STRING).read_bytes(), (sorted_set / FLUTE).read_bytes()
    (sorted_set / STRING).write_bytes(other)
    (sorted_set / FLUTE).write_bytes(one)
    with pytest.raises(InputError, match=r"the record belongs to string|has [\d,]+ bytes, expected"):
        verify(str(sorted_set))


def test_a_missing_part_is_found(sorted_set):
    (sorted_set / FLUTE).unlink()
    with pytest.raises(InputError, match=r"flute/part-00000-of-00001\.tfrecord is missing; sort again"):
        verify(str(sorted_set))


def test_sums_that_do_not_add_up_are_found(sorted_set):
    uri = str(sorted_set / "train" / "manifest.json")
    manifest = storage.read_json(uri)
    manifest["records"] += 1
    storage.write_json(uri, manifest)
    with pytest.raises(InputError, match="the source had 7 records, the manifest accounts for 6"):
        verify(str(sorted_set))


def test_a_condition_that_is_none_is_the_manifests_fault(sorted_set):
    uri = str(sorted_set / "train" / "manifest.json")
    storage.write_json(uri, {**storage.read_json(uri), "where": ["pitch=x"]})
    with pytest.raises(InputError, match=r"train' has a manifest.json with a wrong 'where': --where is .*; sort again"):
        verify(str(sorted_set))


def test_the_command(luthier, refused, sorted_set):
    finished = luthier("sort", "--verify", sorted_set)
    assert finished.code == 0
    assert "train matches its manifest: 6 records in 3 parts" in finished.out
    flip(sorted_set / STRING, 20)
    assert "differs from its manifest.json" in refused("sort", "--verify", sorted_set)
    assert "needs --source and --out" in refused("sort")
