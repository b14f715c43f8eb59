"""A whole sort through a proxy that breaks connections: the result is identical, and the faults did happen."""

import json
import threading
import time
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from components import storage
from components.core.errors import InputError
from components.nsynth.framing import BadRecord
from components.sort import lease, workers
from components.sort.verify import verify
from components.storage import gcs_client, gcs_reading, retry
from tests.notes import make_note, shard_name, write_source
from tests.sort.sorting import all_bytes, sort

NOTES = [make_note(family, pitch) for pitch in (50, 56, 62, 68) for family in ("string", "keyboard", "flute")]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(retry, "POLICY", replace(retry.POLICY, first_pause_s=0.02))
    monkeypatch.setattr(gcs_reading, "RANGE_BYTES", 256 << 10)


@pytest.fixture
def places(faulty_gcs):
    """A source in a bucket, and the output beside it."""
    bucket = faulty_gcs.bucket()
    return write_source(storage.join(bucket, "source"), {"train": NOTES}, shards=2), storage.join(bucket, "out")


@pytest.fixture
def undisturbed(places, tmp_path):
    sort(places[0], tmp_path / "undisturbed")
    return all_bytes(tmp_path / "undisturbed")


@pytest.mark.parametrize(
    ("operation", "kind", "details"),
    [
        ("read", "reset", {"after_bytes": 300_000}),
        ("read", "short", {"after_bytes": 77_777}),
        ("read", "stall", {"after_bytes": 100_000, "seconds": 3.0, "times": 1}),
        ("read", 503, {"times": 5}),
        ("read", 429, {"retry_after": "0"}),
        ("upload", 503, {"times": 6}),
        ("chunk", "reset", {}),
        ("finish", "lost", {}),
        ("list", 503, {}),
    ],
)
def test_the_result_is_identical(faulty_gcs, places, undisturbed, operation, kind, details, monkeypatch):
    if kind == "stall":
        monkeypatch.setattr(gcs_client, "READ_TIMEOUT_S", 1.0)
    faulty_gcs.inject(operation, kind, **{"times": 3, **details})
    sort(*places)
    assert all_bytes(places[1]) == undisturbed
    happened = sum(count for name, count in faulty_gcs.injected.items() if name.endswith(f" {kind}"))
    # Uploads this small are one request, so there may be no separate chunk to break.
    assert happened or operation == "chunk"


@pytest.mark.parametrize("seed", [1, 2])
def test_a_third_of_all_requests_may_fail(faulty_gcs, places, undisturbed, seed, monkeypatch):
    def retries():
        return sum(
            sample.value
            for metric in REGISTRY.collect()
            if metric.name == "luthier_sort_retries"
            for sample in metric.samples
            if sample.name.endswith("_total")
        )

    monkeypatch.setenv("LUTHIER_METRICS_PORT", "0")
    before = retries()
    faulty_gcs.inject_at_random(seed, 0.33)
    sort(*places)
    faulty_gcs.heal()
    assert all_bytes(places[1]) == undisturbed
    assert sum(faulty_gcs.injected.values()) > 5
    assert retries() > before


def test_of_racing_sorts_one_writes_the_manifest_and_the_others_say_so(places, caplog):
    results = []
    threads = [threading.Thread(target=lambda: results.append(sort(*places))) for _ in range(3)]
    with caplog.at_level("WARNING", logger="components"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 3
    assert len({result.fingerprint for result in results}) == 1
    said_so = sum("another sort of the same was faster" in record.message for record in caplog.records)
    found_done = sum(result.reused for result in results)
    assert 1 <= said_so + found_done <= 2
    assert verify(places[1])["train"].totals["string"] == 4


def test_a_bit_that_flips_on_the_way_is_not_taken_for_the_record(faulty_gcs, places):
    """Nor is it the record that is bad: another attempt may succeed."""
    faulty_gcs.inject("read", "damaged", times=3)  # the first is of the look at the first record
    with pytest.raises(storage.Corrupted, match="00000-of-00002' arrived damaged"):
        sort(*places)
    assert not storage.exists(storage.join(places[1], "train", "manifest.json"))
    assert sort(*places).records == 12


def test_a_record_that_is_bad_where_it_lies_is_not_blamed_on_the_way(places):
    shard = storage.join(places[0], shard_name("train", 1, 2))
    content = bytearray(storage.read_bytes(shard))
    content[-1] ^= 1
    storage.write_bytes(shard, content)
    with pytest.raises(BadRecord, match=r"00001-of-00002' at byte .* the CRC of its payload does not match"):
        sort(*places)


def test_a_sort_ends_well_where_nothing_may_be_deleted(faulty_gcs, places, undisturbed, caplog):
    """A bucket with a retention policy, or an account without storage.objects.delete."""
    reason = "Object is subject to bucket's retention policy and cannot be deleted or overwritten until 2027-01-01"
    faulty_gcs.inject("delete", 403, times=1000, body=json.dumps({"error": {"message": reason}}).encode())
    with caplog.at_level("WARNING", logger="components"):
        assert sort(*places).records == 12
        assert sort(*places).reused
    said = [record.message for record in caplog.records]
    assert len(said) == 2
    assert all("is sorted; its lease and receipts in '" in line and reason in line for line in said)
    faulty_gcs.heal()
    assert sort(*places).reused
    assert all_bytes(places[1]) == undisturbed


def test_a_sort_that_is_stopped_does_not_wait_for_a_service_that_is_away(faulty_gcs, places, monkeypatch):
    monkeypatch.setattr(lease, "_RELEASE_LIMIT_S", 0.3)

    def stop(*arguments):
        for operation in ("list", "stat", "read", "delete", "upload"):
            faulty_gcs.inject(operation, 503, times=10**6)
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "write_receipt", stop)
    start_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        sort(*places)
    assert time.monotonic() - start_s < 30


def test_receipts_written_after_the_commit_of_a_faster_sort_are_deleted(places, monkeypatch):
    monkeypatch.setattr("components.sort.units.PART_BYTES", 1000)
    write_receipt, other = workers.write_receipt, threading.Thread(target=sort, args=places)

    def wait_for_the_other(plan, split_uri, unit, result):
        if unit == 1 and threading.current_thread() is not other:  # the last
            other.start()
            other.join()
        write_receipt(plan, split_uri, unit, result)

    monkeypatch.setattr(workers, "write_receipt", wait_for_the_other)
    sort(*places)
    assert other.ident is not None
    assert not [name for name in all_bytes(places[1]) if ".sorting" in name]


def test_a_shard_that_is_replaced_between_two_units_is_noticed(places, monkeypatch):
    monkeypatch.setattr("components.sort.units.PART_BYTES", 1000)
    late = storage.join(places[0], shard_name("train", 1, 2))
    write_receipt = workers.write_receipt

    def replace_shard(*arguments):
        write_receipt(*arguments)
        storage.write_bytes(late, storage.read_bytes(late))

    monkeypatch.setattr(workers, "write_receipt", replace_shard)
    with pytest.raises(storage.Changed, match="00001-of-00002' was replaced or deleted while it was read"):
        sort(*places)


def test_requester_pays(faulty_gcs, places, monkeypatch):
    faulty_gcs.requester_pays = True
    with pytest.raises(InputError, match="LUTHIER_USER_PROJECT"):
        sort(*places)
    monkeypatch.setenv("LUTHIER_USER_PROJECT", "who-pays")
    assert sort(*places).records == 12
    assert faulty_gcs.user_projects == {"who-pays"}
