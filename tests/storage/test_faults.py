"""Cloud Storage through a proxy that breaks connections: the same bytes arrive, and the faults did happen."""

import email.utils
import json
import os
import random
import re
import threading
import time
from contextlib import ExitStack
from dataclasses import replace

import google_crc32c
import pytest

from components import storage
from components.core.backoff import Backoff
from components.core.errors import InputError, StepError
from components.storage import gcs_client, gcs_reading, gcs_upload, gcs_writing, retry
from tests.waiting import wait_until

MB = 1 << 20


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(retry, "POLICY", replace(retry.POLICY, first_pause_s=0.02))
    monkeypatch.setattr(gcs_reading, "RANGE_BYTES", 2 * MB)


@pytest.fixture
def impatient(monkeypatch, kind):
    """A connection that stalls is given up soon; where none is to stall, a busy machine's slow answers are awaited."""
    if kind == "stall":
        monkeypatch.setattr(gcs_client, "READ_TIMEOUT_S", 1.0)


@pytest.fixture(scope="module")
def content():
    return random.Random(1).randbytes(11 * MB + 12345)


@pytest.fixture
def uri(faulty_gcs):
    return f"{faulty_gcs.bucket()}/folder/x y+ü.bin"


def _write(uri, data, **options):
    with storage.open_write(uri, chunk_bytes=MB, **options) as stream:
        for start in range(0, len(data), 300_000):
            piece = data[start : start + 300_000]
            stream.writelines([piece[:12], piece[12:]])


def _read(uri):
    with storage.open_read(uri) as stream:
        pieces = []
        while piece := stream.read(272_599):
            pieces.append(piece)
    assert all(len(piece) == 272_599 for piece in pieces[:-1])
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        (408, {}),
        (429, {}),
        (500, {}),
        (502, {}),
        (503, {}),
        (504, {}),
        ("reset", {"after_bytes": 0}),
        ("reset", {"after_bytes": 1_000_001}),
        ("short", {"after_bytes": 777_777}),
        ("cut", {"after_bytes": 777_777}),
        ("cut", {"after_bytes": 0}),
        ("stall", {"after_bytes": 500_000, "seconds": 2.0}),
        ("unranged", {}),
    ],
)
def test_a_read_goes_on_where_it_broke(faulty_gcs, uri, content, impatient, kind, details):
    storage.write_bytes(uri, content)
    before = storage.retries().get("read", 0)
    faulty_gcs.inject("read", kind, times=3, **details)
    assert _read(uri) == content
    assert faulty_gcs.injected == {f"read {kind}": 3}
    retries = storage.retries().get("read", 0) - before
    # A second without a byte may come by itself on a busy machine.
    assert retries >= 3 if kind == "stall" else retries == (0 if kind == "unranged" else 3)


@pytest.mark.parametrize("seed", range(3))
def test_reading_through_a_storm(faulty_gcs, uri, content, seed, monkeypatch):
    storage.write_bytes(uri, content)
    monkeypatch.setattr(gcs_reading, "RANGE_BYTES", MB // 2)
    faulty_gcs.inject_at_random(seed, 0.4)
    assert _read(uri) == content
    assert faulty_gcs.injected.total() >= 3


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_heeded(faulty_gcs, uri, as_date, monkeypatch):
    storage.write_bytes(uri, b"x")
    pauses_s = []

    def recording(*given, sleep):
        return Backoff(*given, sleep=lambda pause_s: (pauses_s.append(pause_s), sleep(pause_s)))

    monkeypatch.setattr(retry, "Backoff", recording)
    start_s = time.monotonic()
    wait = email.utils.formatdate(time.time() + 2, usegmt=True) if as_date else "1"  # a date has whole seconds
    faulty_gcs.inject("read", 429, retry_after=wait)
    assert storage.read_bytes(uri) == b"x"
    assert time.monotonic() - start_s > 0.9
    assert sum(pauses_s) < 4
    assert faulty_gcs.injected == {"read 429": 1}


@pytest.mark.parametrize(
    ("operation", "kind", "details"),
    [
        ("start", 503, {}),
        ("start", "lost", {}),
        ("start", "reset", {}),
        ("chunk", 429, {"retry_after": "0"}),
        ("chunk", 503, {}),
        ("chunk", "reset", {}),
        ("chunk", "lost", {}),
        ("chunk", "partial", {"after_bytes": MB // 2}),
        ("chunk", "stall", {"seconds": 2.0}),
        ("finish", 500, {}),
        ("finish", "reset", {}),
        ("finish", "lost", {}),
        ("finish", "cut", {"after_bytes": 0}),
        ("finish", "cut", {"after_bytes": 40}),
        ("finish", "partial", {"after_bytes": 1000}),
    ],
)
@pytest.mark.parametrize("if_generation_match", [None, "0"])
def test_a_write_goes_on_where_it_broke(
    faulty_gcs, uri, content, impatient, operation, kind, details, if_generation_match
):
    faulty_gcs.inject(operation, kind, times=2, **details)
    if kind == "lost" and operation == "finish":  # then the status is asked for
        faulty_gcs.inject("status", 503, times=2)
    _write(uri, content, if_generation_match=if_generation_match)
    assert faulty_gcs.injected[f"{operation} {kind}"] >= 1
    faulty_gcs.heal()
    assert _read(uri) == content
    assert storage.stat(uri).crc32c == storage.crc32c_base64(google_crc32c.value(content))


@pytest.mark.parametrize("seed", range(3))
def test_writing_through_a_storm(faulty_gcs, uri, content, seed):
    faulty_gcs.inject_at_random(seed, 0.4)
    _write(uri, content, if_generation_match="0")
    assert faulty_gcs.injected.total() >= 3
    faulty_gcs.heal()
    assert _read(uri) == content


@pytest.mark.parametrize("after_bytes", [0, 1, 40])
def test_an_answer_that_was_cut_off_is_asked_for_again(faulty_gcs, uri, after_bytes):
    storage.write_bytes(uri, b"1")
    for operation, ask in (("stat", storage.stat), ("list", lambda uri: storage.list_objects(uri.rpartition("/")[0]))):
        expected = ask(uri)
        faulty_gcs.inject(operation, "cut", times=2, after_bytes=after_bytes)
        assert ask(uri) == expected
    assert faulty_gcs.injected == {"stat cut": 2, "list cut": 2}


@pytest.mark.parametrize("kind", [503, "reset", "lost"])
def test_small_requests_are_made_again(faulty_gcs, uri, kind):
    storage.write_bytes(uri, b"1")
    faulty_gcs.inject("stat", kind, times=2)
    assert storage.stat(uri).size == 1
    faulty_gcs.inject("list", kind, times=2)
    assert [info.name for info in storage.list_objects(uri.rpartition("/")[0])] == ["x y+ü.bin"]
    faulty_gcs.inject("delete", kind, times=2)
    storage.delete(uri)
    assert not storage.exists(uri)
    assert faulty_gcs.injected == {f"{operation} {kind}": 2 for operation in ("stat", "list", "delete")}


def test_a_lost_answer_does_not_hide_another_writer(faulty_gcs, uri):
    """The other writes the same bytes: only the upload's own mark tells whose object it is."""
    content = bytes(300_000)
    with pytest.raises(storage.Conflict, match="another writer"), storage.open_write(uri, "0", 256 << 10) as stream:
        stream.write(content)
        wait_until(lambda: faulty_gcs.requests["chunk"], "the first chunk is sent")
        storage.write_bytes(uri, content, "0")
        faulty_gcs.inject("finish", "reset")
    assert faulty_gcs.injected == {"finish reset": 1}


def test_of_many_writers_one_wins(faulty_gcs, uri):
    faulty_gcs.inject_at_random(5, 0.2)
    ended = []

    def write(number):
        try:
            storage.write_bytes(uri, b"%d" % number, "0")
            ended.append(number)
        except storage.Conflict:
            ended.append(None)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = (number for number in ended if number is not None)
    assert len(ended) == 8
    assert storage.read_bytes(uri) == b"%d" % winner


def test_damage_on_the_way_is_noticed(faulty_gcs, uri, content):
    storage.write_bytes(uri, content)
    faulty_gcs.inject("read", "damaged")
    with pytest.raises(storage.Corrupted, match="arrived damaged"):
        _read(uri)
    faulty_gcs.inject("finish", "damaged")
    other = f"{uri}.other"
    with pytest.raises(storage.Corrupted, match="arrived damaged"):
        _write(other, content)
    assert not storage.exists(other)
    assert faulty_gcs.injected == {"read damaged": 1, "finish damaged": 1}


def test_what_arrives_damaged_is_read_once_more_where_all_of_it_is_wanted(faulty_gcs, uri, content, tmp_path):
    storage.write_bytes(uri, content)
    (info,), copy = storage.list_objects(uri.rpartition("/")[0]), tmp_path / "copy"
    faulty_gcs.inject("read", "damaged")
    assert storage.read_bytes(uri) == content
    faulty_gcs.inject("read", "damaged")
    storage.copy(info, str(copy))
    assert copy.read_bytes() == content
    copy.unlink()
    faulty_gcs.inject("read", "damaged", times=1000)
    for attempt in (lambda: storage.read_bytes(uri), lambda: storage.copy(info, str(copy))):
        with pytest.raises(storage.Corrupted, match="arrived damaged"):
            attempt()
    assert list(tmp_path.iterdir()) == []


def test_an_object_replaced_while_it_is_read_is_noticed(faulty_gcs, uri, content):
    storage.write_bytes(uri, content)
    info = storage.stat(uri)
    said = "was replaced or deleted while it was read"
    with pytest.raises(storage.Changed, match=said), storage.open_object(info) as stream:
        stream.read(1)
        storage.write_bytes(uri, content[::-1])
        stream.read()
    for open_again in (lambda: storage.open_object(info), lambda: storage.open_read(uri, info.generation)):
        with pytest.raises(storage.Changed), open_again() as stream:
            stream.read()


def test_an_emulator_without_generations_is_seen_through(gcs):
    uri = f"{gcs.bucket()}/x"
    storage.write_bytes(uri, b"one")
    info = storage.stat(uri)
    storage.write_bytes(uri, b"two")
    with pytest.raises(storage.Changed), storage.open_object(info) as stream:
        stream.read()
    with pytest.raises(storage.Changed), storage.open_read(uri, info.generation) as stream:
        stream.read()


def test_what_a_listing_said_is_not_asked_again(faulty_gcs, uri):
    storage.write_bytes(uri, b"content")
    (info,) = storage.list_objects(uri.rpartition("/")[0])
    faulty_gcs.requests.clear()
    with storage.open_object(info) as stream:
        assert stream.read() == b"content"
    assert faulty_gcs.requests["read"] == 1
    assert not faulty_gcs.requests["stat"] + faulty_gcs.requests["list"]


def test_giving_up_is_one_line(faulty_gcs, uri, monkeypatch):
    storage.write_bytes(uri, b"1")
    monkeypatch.setattr(retry, "POLICY", replace(retry.POLICY, limit_s=0.5))
    faulty_gcs.inject("upload", 503, times=1000)
    faulty_gcs.inject("read", 503, times=1000)
    for attempt in (lambda: storage.read_bytes(uri), lambda: storage.write_bytes(uri, b"2")):
        with pytest.raises(
            StepError, match=r"Storage \((read|write) 'gs://.*x y\+ü\.bin'\) has not answered for .* 503"
        ):
            attempt()
    faulty_gcs.heal()
    assert storage.read_bytes(uri) == b"1"


@pytest.mark.parametrize("kind", [503, "stall"])
def test_to_clean_up_is_given_up_soon(faulty_gcs, uri, kind):
    storage.write_bytes(uri, b"1")
    info = storage.stat(uri)

    def read():
        with storage.open_object(info) as stream:
            stream.read()

    for operation in ("read", "stat", "list", "delete", "start"):
        faulty_gcs.inject(operation, kind, times=1000, **({"seconds": 2.0} if kind == "stall" else {}))
    for attempt in (
        read,
        lambda: storage.stat(uri),
        lambda: storage.list_objects(uri.rpartition("/")[0]),
        lambda: storage.delete(uri),
        lambda: storage.write_bytes(uri, b"2"),
    ):
        start_s = time.monotonic()
        with pytest.raises(StepError, match="has not answered for"), storage.patience(0.3):
            attempt()
        assert time.monotonic() - start_s < 5
    faulty_gcs.heal()
    assert storage.read_bytes(uri) == b"1"


def test_of_many_unfinished_uploads_one_waits_for_a_service_that_is_away(faulty_gcs, uri, monkeypatch):
    monkeypatch.setattr(gcs_upload, "_CANCEL_LIMIT_S", 1.0)
    monkeypatch.setattr(gcs_writing, "_no_cancel_before", 0.0)
    start_s = 0.0
    with pytest.raises(KeyboardInterrupt), ExitStack() as stack:
        for number in range(8):
            stream = stack.enter_context(storage.open_write(f"{uri}-{number}", chunk_bytes=256 << 10))
            stream.write(bytes(600_000))
        wait_until(lambda: faulty_gcs.requests["chunk"] == 8 * 2, "the chunks are sent")
        faulty_gcs.inject("cancel", "stall", times=1000, seconds=2.0)
        start_s = time.monotonic()
        raise KeyboardInterrupt
    assert time.monotonic() - start_s < 5
    assert faulty_gcs.injected == {"cancel stall": 1}
    assert storage.list_objects(uri.rpartition("/")[0]) == []


def test_a_reader_that_leaves_early_leaves_nothing_behind(faulty_gcs, uri, content):
    storage.write_bytes(uri, content)
    with storage.open_read(uri) as stream:
        assert stream.read(10) == content[:10]
    wait_until(lambda: gcs_reading._POOL._idle >= gcs_reading._POOL._threads, "no thread is at work")


def test_a_refusal_has_the_reason_of_the_service(faulty_gcs, uri):
    """Which account lacks which permission; or a retention policy, billing, a perimeter of VPC Service Controls."""
    reason = "Object 'x' is subject to bucket's retention policy and cannot be deleted or overwritten until 2026-12-31"
    body = json.dumps({"error": {"code": 403, "message": reason, "errors": [{"reason": "retentionPolicyNotMet"}]}})
    storage.write_bytes(uri, b"1")
    attempts = {"stat": storage.stat, "delete": storage.delete, "start": lambda uri: storage.write_bytes(uri, b"2")}
    for operation, attempt in attempts.items():
        faulty_gcs.inject(operation, 403, body=body.encode())
        with pytest.raises(InputError, match=rf"^no permission for '.*' \({re.escape(reason)}\); check the account"):
            attempt(uri)
    faulty_gcs.inject("read", 403, body=b"Access denied.")  # a download's answer is text
    with pytest.raises(InputError, match=r"^no permission for '.*' \(Access denied\); check the account's roles"):
        storage.read_bytes(uri)


def test_requester_pays_is_explained(faulty_gcs, uri, monkeypatch):
    storage.write_bytes(uri, b"1")
    monkeypatch.setenv("LUTHIER_USER_PROJECT", "payer")
    assert storage.read_bytes(uri) == b"1"
    assert faulty_gcs.user_projects == {"payer"}
    monkeypatch.delenv("LUTHIER_USER_PROJECT")
    faulty_gcs.requester_pays = True
    for attempt in (lambda: storage.stat(uri), lambda: storage.write_bytes(uri, b"")):
        with pytest.raises(InputError, match="set LUTHIER_USER_PROJECT"):
            attempt()


def test_the_endpoint_may_lack_a_scheme_and_change(faulty_gcs, gcs, uri, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", faulty_gcs.endpoint.removeprefix("http://"))
    storage.write_bytes(uri, b"1")
    assert faulty_gcs.requests["finish"] == 1
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.endpoint)
    assert storage.read_bytes(uri) == b"1"
    assert faulty_gcs.requests["read"] == 0


def test_a_forked_process_has_its_own_connections(faulty_gcs, uri, content):
    storage.write_bytes(uri, content)
    assert _read(uri) == content
    child = os.fork()
    if child == 0:
        os._exit(0 if _read(uri) == content and storage.retries() == {} else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert _read(uri) == content
