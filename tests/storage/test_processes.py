"""Reading in worker processes, in bounded memory, and who pays and signs in."""

import json
import multiprocessing
import os
import subprocess
import sys
import textwrap
import urllib.request

import pytest
import requests

from components import storage
from components.core.errors import InputError
from components.storage import gcs_client
from tests.waiting import wait_until

MB = 1 << 20


def _crc32c_of(info):
    import google_crc32c

    with storage.open_object(info) as stream:
        found = storage.crc32c_base64(google_crc32c.value(stream.read()))
    return found, storage.retries()


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_every_kind_of_worker_reads(gcs, method):
    root = gcs.bucket()
    for number in range(4):
        storage.write_bytes(f"{root}/{number}", os.urandom(3 * MB))
    infos = storage.list_objects(root)
    for info in infos:
        _crc32c_of(info)
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(_crc32c_of, infos) == [(info.crc32c, {}) for info in infos]


def test_memory_does_not_grow_with_the_object(gcs):
    """A reader slower than the service, and a writer faster than it."""
    bucket = gcs.bucket()
    url = f"{gcs.endpoint}/upload/storage/v1/b/{bucket.removeprefix('gs://')}/o?uploadType=media&name=large"
    urllib.request.urlopen(urllib.request.Request(url, bytes(200 * MB))).close()
    code = """
        import resource, sys, time
        from components import storage
        storage.stat(sys.argv[1])
        before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with storage.open_read(sys.argv[1]) as source, storage.open_write(sys.argv[1] + ".copy") as target:
            while piece := source.read(1 << 20):
                time.sleep(0.002)
                if source.tell() <= 48 << 20:  # the emulator's time for an upload grows with the square of its size
                    target.write(piece)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb)
    """
    out = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), f"{bucket}/large"], capture_output=True, check=True
    )
    assert int(out.stdout) < 80 << 10  # KB; 40 MB of ranges, 8 MB of chunks
    assert storage.stat(f"{bucket}/large.copy").size == 48 * MB


def test_a_process_ends_at_once_though_a_connection_hangs(faulty_gcs):
    uri = f"{faulty_gcs.bucket()}/x"
    storage.write_bytes(uri, bytes(MB))
    faulty_gcs.inject("read", "stall", times=9, seconds=300)
    code = """
        import sys, threading
        from components import storage
        from components.storage import gcs_client
        gcs_client.READ_TIMEOUT_S = 300.0
        opened = storage.open_read(sys.argv[1])
        threading.Thread(target=opened.__enter__().read, daemon=True).start()
        sys.stdin.read()
    """
    reader = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), uri], stdin=subprocess.PIPE)
    wait_until(lambda: faulty_gcs.injected, "the connection hangs", process=reader)
    reader.communicate(timeout=120)
    assert reader.returncode == 0
    assert faulty_gcs.injected == {"read stall": 1}


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """A machine without credentials, and without an emulator."""
    for variable in (
        "STORAGE_EMULATOR_HOST",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_PROJECT",
        "GCLOUD_PROJECT",
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))


def test_without_credentials_requests_are_anonymous(nobody):
    connection = gcs_client._connection.__wrapped__(None)
    assert type(connection.session) is requests.Session
    expected = "https://storage.googleapis.com/download/storage/v1/b/b/o/a%2F%C3%BC"
    assert connection.object_url("download", "b", "a/ü") == expected


def test_credentials_are_used_also_without_a_project(nobody, monkeypatch, tmp_path):
    user = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "t"}
    (tmp_path / "user.json").write_text(json.dumps(user))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "user.json"))
    session = gcs_client._connection.__wrapped__(None).session
    assert session.credentials.refresh_token == "t"


@pytest.mark.parametrize("content", [None, b"", b"[]", b"\xff", b'{"type": "service_account"}'])
def test_a_key_that_cannot_be_used_is_named(nobody, monkeypatch, tmp_path, content):
    """Anonymous requests instead would end in an advice about roles."""
    key = tmp_path / "key.json"
    if content is not None:
        key.write_bytes(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    gcs_client._connection.cache_clear()
    with pytest.raises(InputError, match=r"cannot use '.*key.json', which GOOGLE_APPLICATION_CREDENTIALS names: "):
        storage.list_objects("gs://bucket/x")


def test_a_service_that_serves_one_at_a_time_is_asked_one_at_a_time(gcs, faulty_gcs, monkeypatch):
    uri = f"{faulty_gcs.bucket()}/x"
    storage.write_bytes(uri, b"1")
    assert gcs_client.connection().gate._open  # HTTP/1.1, as Cloud Storage
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.endpoint)
    assert storage.read_bytes(uri) == b"1"
    assert not gcs_client.connection().gate._open
