"""A sort that is killed, raced or refused: the next one continues it and ends in the identical bytes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components import storage
from components.core.errors import InputError, StepError
from components.sort import copying, lease, step, units
from components.sort.commit import commit
from components.sort.units import plan_sort
from tests.notes import make_note, shard_name, write_source
from tests.processes import takes_interrupt
from tests.sort.sorting import all_bytes, processes_of, sort
from tests.waiting import wait_until

NOTES = [make_note(family, pitch) for pitch in (50, 62) for family in ("string", "keyboard", "flute")]


@pytest.fixture
def small_units(monkeypatch):
    monkeypatch.setattr(units, "PART_BYTES", 1000)


def test_killed_at_any_step_on_the_disk_it_is_continued_to_the_same_bytes(tmp_path):
    source = write_source(tmp_path / "source", {"train": NOTES, "valid": NOTES[:2]}, shards=2)
    command = [sys.executable, "-m", "tests.sort.killing", source, str(tmp_path)]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert finished.returncode == 0, finished.stderr
    results = json.loads(finished.stdout)
    firsts, seconds, done, digests = (list(column) for column in zip(*results, strict=True))
    assert firsts == ["killed"] * (len(results) - 1) + ["done"]
    assert len(results) > 40
    assert set(seconds) == {"done"}
    assert len(set(digests)) == 1
    assert {0, 1, 2} <= set(done)  # they did continue, and did not begin again


def _start_hanging(tmp_path, setting="pass"):
    """Starts a sort whose workers hang, after they print "working", before they write a receipt."""
    source = write_source(tmp_path / "source", {"train": NOTES}, shards=3)
    script = f"""
import time
from components.sort import step, units, workers
units.PART_BYTES = workers.WORKER_BYTES = 1000
{setting}
def hang(*arguments):
    print("working", flush=True)
    time.sleep(600)
workers.write_receipt = hang
step.sort({source!r}, {str(tmp_path / "out")!r}, ("train",), step.SortOptions(workers=2))
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=takes_interrupt,
    )
    assert parent.stdout.readline().startswith(b"working")  # both workers print, and lines may run together
    return source, parent


def test_a_killed_parent_leaves_no_worker_behind(tmp_path):
    source, parent = _start_hanging(tmp_path)
    assert len(processes_of(parent.pid)) > 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not processes_of(parent.pid), "no worker process outlives the sort")
    assert sort(source, tmp_path / "out", overwrite=True).records == 6


def test_a_stopped_sort_does_not_wait_for_a_worker_that_hangs(tmp_path):
    _, parent = _start_hanging(tmp_path, "workers._STOP_LIMIT_S = workers._WATCH_S = 0.1")
    parent.send_signal(signal.SIGINT)
    _, said = parent.communicate(timeout=60)
    assert b"KeyboardInterrupt" in said.splitlines()[-1]


def test_units_with_a_receipt_are_not_copied_again(places, small_units, monkeypatch):
    source, out = places
    write_source(source, {"train": NOTES}, shards=3)
    copied = []
    real = copying.copy_unit
    monkeypatch.setattr("components.sort.workers.copy_unit", lambda *a: (copied.append(a[2]), real(*a))[1])
    plan, split_uri = plan_sort(source), storage.join(out, "train")
    lease.acquire(plan, split_uri, overwrite=False)
    lease.write_receipt(plan, split_uri, 1, real(plan, split_uri, 1, False, lambda size, records: None))
    sort(source, out)
    assert copied == [0, 2]


def test_a_receipt_whose_part_is_gone_or_whose_source_was_replaced_does_not_count(tmp_path, small_units):
    source, split_uri = write_source(tmp_path / "source", {"train": NOTES}, shards=3), str(tmp_path / "out" / "train")
    plan = plan_sort(source)
    for unit in range(3):
        lease.write_receipt(plan, split_uri, unit, copying.copy_unit(plan, split_uri, unit, False, lambda *_: None))
    next(Path(split_uri, "string").glob("part-00000*")).unlink()
    os.utime(tmp_path / "source" / shard_name("train", 1, 3), ns=(1, 1))
    assert list(lease.read_receipts(plan_sort(source), split_uri, quarantine=False)) == [2]


def test_of_two_sorts_of_the_same_one_wins_and_the_other_says_so(places, monkeypatch, caplog):
    source, out = places
    write_source(source, {"train": NOTES})
    real, inner = storage.write_json, []

    def slow_write(uri, value, if_generation_match=None):
        if uri.endswith("manifest.json") and not inner:
            inner.append(None)
            inner[0] = sort(source, out)  # a whole second sort, between this one's last check and its manifest
        real(uri, value, if_generation_match)

    monkeypatch.setattr(storage, "write_json", slow_write)
    with caplog.at_level("WARNING", logger="components"):
        result = sort(source, out)
    assert (result.records, result.fingerprint) == (6, inner[0].fingerprint)
    if not out.startswith("gs://"):  # the emulator takes a second manifest; test_faults.py has one that does not
        assert "another sort of the same was faster" in caplog.text
    assert sorted(name for name in all_bytes(storage.join(out, "train")) if name.startswith(".")) == []


def test_another_sort_is_refused_while_one_holds_the_lease(tmp_path):
    source, out = write_source(tmp_path / "source", {"train": NOTES}), str(tmp_path / "out")
    split_uri = storage.join(out, "train")
    lease.acquire(plan_sort(source, by="source"), split_uri, overwrite=False)
    with pytest.raises(InputError, match=r"another sort holds it: by source of .*process \d+.*--overwrite"):
        sort(source, out)
    assert sort(source, out, overwrite=True).records == 6
    assert all(not name.startswith("train/acoustic") for name in all_bytes(out))


def test_a_sort_that_was_killed_gives_way_to_one_with_other_options(tmp_path):
    source, out = write_source(tmp_path / "source", {"train": NOTES}), str(tmp_path / "out")
    pid = os.fork()
    if not pid:
        lease.acquire(plan_sort(source, by="source"), storage.join(out, "train"), overwrite=False)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert sort(source, out).records == 6


@pytest.mark.parametrize(
    "damage",
    [
        lambda receipt: b"",
        lambda receipt: json.dumps(receipt).encode()[:100],
        lambda receipt: b"[]",
        lambda receipt: json.dumps({**receipt, "records": "3"}).encode(),
        lambda receipt: json.dumps({**receipt, "left_out": None, "records": -1}).encode(),
        lambda receipt: json.dumps({**receipt, "objects": [{**receipt["objects"][0], "records": None}]}).encode(),
        lambda receipt: json.dumps({key: receipt[key] for key in receipt if key != "quarantine"}).encode(),
        lambda receipt: json.dumps({**receipt, "quarantine": [3]}).encode(),
        lambda receipt: json.dumps({**receipt, "generations": []}).encode(),
    ],
)
def test_a_unit_whose_receipt_is_none_is_copied_again(tmp_path, small_units, damage):
    source, split_uri = write_source(tmp_path / "source", {"train": NOTES}, shards=3), str(tmp_path / "out" / "train")
    plan = plan_sort(source)
    for unit in range(3):
        lease.write_receipt(plan, split_uri, unit, copying.copy_unit(plan, split_uri, unit, False, lambda *_: None))
    path = next(Path(split_uri, ".sorting").glob("unit-00001*"))
    path.write_bytes(damage(json.loads(path.read_bytes())))
    assert list(lease.read_receipts(plan, split_uri, quarantine=True)) == [0, 2]
    assert sort(source, tmp_path / "out").records == 6


@pytest.mark.parametrize("content", [b"{}", b"[]", b'{"plan": {"shards": 3}}', b"null", b"", b'{"id": ', b"\xff"])
def test_a_lease_that_is_none_is_one_line(tmp_path, content):
    source, out = write_source(tmp_path / "source", {"train": NOTES}), tmp_path / "out"
    storage.write_bytes(str(out / "train" / ".sorting" / "claim.json"), content)
    with pytest.raises(InputError, match=r"claim.json' is not the lease of a sort"):
        sort(source, out)


def test_a_part_that_another_sort_wrote_later_does_not_count(tmp_path, small_units):
    source, split_uri = write_source(tmp_path / "source", {"train": NOTES}, shards=3), str(tmp_path / "out" / "train")
    plan = plan_sort(source)
    for unit in range(3):
        result = copying.copy_unit(plan, split_uri, unit, False, lambda *_: None)
        lease.write_receipt(plan, split_uri, unit, result)
    same, other = (next(Path(split_uri).glob(f"*/part-0000{unit}*")) for unit in (0, 1))
    same.write_bytes(same.read_bytes())
    other.write_bytes(other.read_bytes()[::-1])
    assert list(lease.read_receipts(plan, split_uri, quarantine=False)) == [0, 2]


def test_a_sort_whose_lease_was_taken_over_does_not_write_its_manifest(tmp_path):
    source, split_uri = write_source(tmp_path / "source", {"train": NOTES}), str(tmp_path / "out" / "train")
    plan = plan_sort(source)
    lease.acquire(plan, split_uri, overwrite=False)
    lease.write_receipt(plan, split_uri, 0, copying.copy_unit(plan, split_uri, 0, False, lambda *_: None))
    lease.acquire(plan_sort(source, by="source"), split_uri, overwrite=True)
    with pytest.raises(StepError, match=r"another sort has taken .* over while this one was at work: by source"):
        commit(plan, split_uri, quarantine=False)
    assert not storage.exists(storage.join(split_uri, "manifest.json"))


def test_after_a_failure_the_output_is_free_for_other_options(tmp_path, small_units):
    source = write_source(tmp_path / "source", {"train": NOTES}, shards=3)
    path = tmp_path / "source" / shard_name("train", 2, 3)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="00002-of-00003"):
        sort(source, tmp_path / "out")
    assert sort(source, tmp_path / "out", by="source", on_bad_record="quarantine").quarantined == 1


def test_a_shard_that_is_replaced_while_it_is_read_is_noticed(places, monkeypatch):
    source, out = places
    write_source(source, {"train": NOTES})
    shard, real = storage.join(source, shard_name("train", 0, 1)), copying.Router.group

    def replace(router, payload):
        monkeypatch.setattr(copying.Router, "group", real)
        storage.write_bytes(shard, storage.read_bytes(shard)[::-1])
        return real(router, payload)

    monkeypatch.setattr(copying.Router, "group", replace)
    with pytest.raises(InputError, match=r"was replaced while"):
        sort(source, out)
    assert not storage.exists(storage.join(out, "train", "manifest.json"))


def test_a_worker_process_that_dies_is_one_line(tmp_path, small_units, monkeypatch):
    source = write_source(tmp_path / "source", {"train": NOTES}, shards=3)
    monkeypatch.setattr("components.sort.workers.WORKER_BYTES", 1000)
    monkeypatch.setattr("components.sort.workers.start_worker", _die)
    with pytest.raises(StepError, match=r"a worker process of the sort died .*Run the command again"):
        step.sort(source, str(tmp_path / "out"), ("train",), step.SortOptions(workers=2))


def test_a_worker_process_logs_as_its_parent_process(monkeypatch):
    """A sort on gs:// starts its workers by a fork server, because threads read ahead."""
    script = """
import logging, threading
from concurrent.futures import ProcessPoolExecutor
from components.sort.workers import process_context, start_worker
from components.telemetry import log
log.setup()
threading.Thread(target=threading.Event().wait, daemon=True).start()
with ProcessPoolExecutor(1, process_context(), start_worker, (None, log.verbosity())) as pool:
    pool.submit(logging.getLogger("components.storage").warning, "from a worker").result()
"""
    monkeypatch.setenv("LUTHIER_LOG_FORMAT", "json")
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert (ended.returncode, json.loads(ended.stderr)["message"]) == (0, "from a worker")


def _die(shared, verbosity):
    os.kill(os.getpid(), signal.SIGKILL)
