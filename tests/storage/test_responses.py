"""What Cloud Storage, or something between, may answer beside objects: the words that a user reads, and the end.

The responses are those of the service (https://cloud.google.com/storage/docs/json_api/v1/status-codes), or of Google's
own emulator, googleapis/storage-testbench 0.45: it answers 412 to a wrong `X-Goog-Hash` (testbench/error.py, mismatch).
"""

import json
import urllib.request
from dataclasses import replace
from urllib.parse import quote

import pytest

from components import storage
from components.core.errors import InputError, StepError
from components.storage import retry

HTML = b"""<!DOCTYPE html><html lang=en><title>Error 403 (Forbidden)!!1</title><style>* {margin:0}</style>
<p><b>403.</b> <ins>That is an error.</ins>"""
XML = b"""<?xml version='1.0' encoding='UTF-8'?><Error><Code>AccessDenied</Code><Message>Access denied.</Message>
<Details>Anonymous caller does not have storage.objects.get access to &apos;x&apos;.</Details></Error>"""
PORTAL = b"<html><head><title>Sign in</title></head><body>Welcome to the network</body></html>"
NO_CONSTRAINT = "Request violates constraint 'constraints/gcp.resourceLocations'"
WRONG_HASH = "crc32c validation failed. Expected = 1 vs Actual = 2."


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(retry, "POLICY", replace(retry.POLICY, first_pause_s=0.02))


@pytest.fixture
def gives_up_soon(monkeypatch, quick):
    monkeypatch.setattr(retry, "POLICY", replace(retry.POLICY, limit_s=0.5))


@pytest.fixture
def uri(faulty_gcs):
    uri = f"{faulty_gcs.bucket()}/folder/x"
    storage.write_bytes(uri, b"1")
    return uri


def _folder(uri):
    return uri.rpartition("/")[0]


def _json(code, message):
    return json.dumps({"error": {"code": code, "message": message, "errors": [{"message": message}]}}).encode()


OPERATIONS = {
    "list": lambda uri: storage.list_objects(_folder(uri)),
    "stat": storage.stat,
    "read": storage.read_bytes,
    "delete": storage.delete,
    "start": lambda uri: storage.write_bytes(uri, b"2"),
    "finish": lambda uri: storage.write_bytes(uri, b"2"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_reason_is_said_whatever_the_form_of_the_response(faulty_gcs, uri, operation):
    """Without credentials, a 401 says which permission anonymous callers lack."""
    anonymous = "Anonymous caller does not have storage.objects.get access"
    for status, body, said in (
        (401, _json(401, f"{anonymous} to the object."), rf"\({anonymous} to the object\)"),
        (403, XML, rf"\(AccessDenied Access denied\. {anonymous} to 'x'\)"),
        (403, HTML, r"\(Error 403 \(Forbidden\)!!1\)"),
    ):
        faulty_gcs.inject(operation, status, body=body)
        with pytest.raises(
            InputError, match=rf"^no permission for 'gs://.*folder.*' {said}; check the account's roles"
        ):
            OPERATIONS[operation](uri)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_giving_up_says_why(faulty_gcs, uri, operation, gives_up_soon):
    faulty_gcs.inject(operation, 429, times=1000, body=_json(429, "The rate of change exceeds the rate limit."))
    with pytest.raises(StepError, match=r"has not answered for \d+ s: 429 The rate of change exceeds the rate limit$"):
        OPERATIONS[operation](uri)


@pytest.mark.parametrize("operation", ["list", "stat", "start", "finish"])
def test_what_is_no_response_of_the_service_is_asked_for_again(faulty_gcs, uri, operation):
    """A login page of a network, for instance, or a response that was cut off."""
    faulty_gcs.inject(operation, 200, times=2, body=PORTAL)
    OPERATIONS[operation](uri)
    assert faulty_gcs.injected == {f"{operation} 200": 2}


@pytest.mark.parametrize("operation", ["list", "stat", "start", "finish"])
def test_a_login_page_is_no_traceback(faulty_gcs, uri, operation, gives_up_soon):
    faulty_gcs.inject(operation, 200, times=1000, body=PORTAL)
    with pytest.raises(StepError, match=r"has not answered for .* is not as documented"):
        OPERATIONS[operation](uri)


def test_an_unreadable_response_amid_an_upload_is_no_end_of_it(faulty_gcs, uri):
    content = bytes(range(256)) * 4096
    faulty_gcs.inject("chunk", 200, body=b"")
    with storage.open_write(uri, chunk_bytes=256 << 10) as stream:
        stream.write(content)
    assert faulty_gcs.injected == {"chunk 200": 1}
    assert storage.read_bytes(uri) == content


@pytest.mark.parametrize("if_generation_match", [None, "0"])
@pytest.mark.parametrize("operation", ["start", "finish"])
def test_a_412_is_not_always_another_writer(faulty_gcs, uri, operation, if_generation_match):
    new = f"{uri}-new"
    for status, message, kind, said in (
        (412, NO_CONSTRAINT, StepError, "rejected a request for .*: 412 Request violates constraint"),
        (412, WRONG_HASH, storage.Corrupted, "arrived damaged and was rejected: crc32c validation failed"),
        (400, WRONG_HASH, storage.Corrupted, "arrived damaged and was rejected: crc32c validation failed"),
    ):
        faulty_gcs.inject(operation, status, body=_json(status, message))
        with pytest.raises(kind, match=said) as caught:
            storage.write_bytes(new, b"2", if_generation_match)
        assert not isinstance(caught.value, storage.Conflict)
    assert not storage.exists(new)


def test_a_bucket_that_is_missing_is_named(faulty_gcs, uri):
    message = "The specified bucket does not exist."
    for operation in ("list", "start"):
        faulty_gcs.inject(operation, 404, body=_json(404, message))
        with pytest.raises(
            InputError, match=r"^cannot open 'gs://bucket-\d+/folder.*': there is no bucket 'bucket-\d+'"
        ):
            OPERATIONS[operation](uri)


def test_a_page_without_objects_is_not_the_last(faulty_gcs, uri):
    faulty_gcs.inject("list", 200, body=json.dumps({"nextPageToken": "a"}).encode())
    faulty_gcs.inject("list", 200, body=json.dumps({"items": [], "nextPageToken": "b"}).encode())
    assert [info.name for info in storage.list_objects(_folder(uri))] == ["x"]


@pytest.mark.parametrize("tokens", ["a", "abc"])
def test_pages_that_go_in_a_circle_have_an_end(faulty_gcs, uri, tokens):
    for token in (*tokens, tokens[0]):
        faulty_gcs.inject("list", 200, body=json.dumps({"nextPageToken": token}).encode())
    with pytest.raises(StepError, match=r"cannot list 'gs://.*folder': Cloud Storage names a page as the next one"):
        storage.list_objects(_folder(uri))
    assert faulty_gcs.requests["list"] == len(tokens) + 1


def test_the_size_of_an_empty_object_may_be_left_out(faulty_gcs, uri):
    """As storage-testbench does: its objects are protocol buffers, which omit a 0."""
    item = {"name": "folder/x", "generation": "7"}
    faulty_gcs.inject("list", 200, body=json.dumps({"items": [item]}).encode())
    assert [(info.name, info.size) for info in storage.list_objects(_folder(uri))] == [("x", 0)]
    faulty_gcs.inject("stat", 200, body=json.dumps(item).encode())
    assert storage.stat(uri).size == 0


def test_objects_are_listed_once_and_in_order(faulty_gcs, uri):
    storage.write_bytes(f"{uri}-2", b"2")
    expected = storage.list_objects(_folder(uri))
    bucket = uri.removeprefix("gs://").partition("/")[0]
    with urllib.request.urlopen(f"{faulty_gcs.endpoint}/storage/v1/b/{bucket}/o?prefix={quote('folder/')}") as answer:
        items = json.load(answer)["items"]
    faulty_gcs.inject("list", 200, body=json.dumps({"items": items[::-1] * 2}).encode())
    assert storage.list_objects(_folder(uri)) == expected
