"""A Cloud Storage emulator process, filled with one request per object, with a log for counting requests."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_START = "from gcp_storage_emulator.__main__ import main; main()"
_SEND_BYTES = 1 << 20
_LOGGED = re.compile(r'"(GET|POST|PUT|DELETE|PATCH) (\S+) HTTP')


@dataclass(frozen=True)
class Emulator:
    """A running emulator.

    Attributes:
        endpoint: For instance "http://127.0.0.1:40001".
        log: Where it writes its requests; None where it is quiet.
    """

    endpoint: str
    log: Path | None

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that make a process use this emulator."""
        return {"STORAGE_EMULATOR_HOST": self.endpoint}

    def make_bucket(self, name: str) -> str:
        """Creates a bucket without soft deletion, so that deleted objects leave the memory; returns its URI."""
        body = json.dumps({"name": name, "softDeletePolicy": {"retentionDurationSeconds": "0"}}).encode()
        self._request("POST", "/storage/v1/b?project=emulator", body)
        return f"gs://{name}"

    def upload(self, path: Path, bucket: str, name: str) -> None:
        """Uploads a file in one request: per chunk of a resumable upload, the emulator copies all before."""
        host = urllib.parse.urlsplit(self.endpoint).netloc
        connection = http.client.HTTPConnection(host, timeout=600, blocksize=_SEND_BYTES)
        target = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={urllib.parse.quote(name, safe='')}"
        headers = {"Content-Length": str(path.stat().st_size), "Content-Type": "application/octet-stream"}
        with path.open("rb") as stream:
            connection.request("POST", target, stream, headers)
            answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"the emulator answered {answer.status} to the upload of '{path.name}'")
        answer.read()
        connection.close()

    def sizes(self, bucket: str) -> dict[str, int]:
        """Returns the bytes of every object of a bucket by name."""
        listed = json.loads(self._request("GET", f"/storage/v1/b/{bucket}/o"))
        return {item["name"]: int(item["size"]) for item in listed.get("items", [])}

    def empty(self, bucket: str) -> None:
        """Deletes every object of a bucket."""
        for name in self.sizes(bucket):
            self._request("DELETE", f"/storage/v1/b/{bucket}/o/{urllib.parse.quote(name, safe='')}")

    def requests(self) -> Counter[str]:
        """Counts the logged requests by kind: list, metadata, range, upload start, upload chunk, insert, delete."""
        found = _LOGGED.findall(self.log.read_text(errors="replace")) if self.log else []
        return Counter(_kind(method, urllib.parse.unquote(target)) for method, target in found)

    def _request(self, method: str, target: str, body: bytes | None = None) -> bytes:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.endpoint + target, body, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            content: bytes = answer.read()
        return content


def _kind(method: str, target: str) -> str:
    path, _, query = target.partition("?")
    if method == "GET":
        if path.endswith("/o"):
            return "list"
        return "range" if "alt=media" in query or path.startswith("/download") else "metadata"
    if method == "POST" and path.startswith("/upload"):
        return "upload start" if "uploadType=resumable" in query else "insert"
    return "upload chunk" if method == "PUT" else "delete" if method == "DELETE" else "other"


@contextmanager
def running(log: Path | None = None) -> Iterator[Emulator]:
    """Starts an emulator that keeps its objects in memory, and ends it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    quiet = [] if log else ["--quiet"]
    command = [sys.executable, "-c", _START, "start", "--host", "127.0.0.1", "--port", str(port), "--in-memory", *quiet]
    with open(log or "/dev/null", "wb") as output:  # noqa: PTH123 (also takes /dev/null)
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            emulator = Emulator(f"http://127.0.0.1:{port}", log)
            _wait_until_up(emulator.endpoint, process)
            yield emulator
        finally:
            process.kill()
            process.wait()


def _wait_until_up(endpoint: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(400):
        try:
            urllib.request.urlopen(f"{endpoint}/storage/v1/b?project=emulator").close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            if process.poll() is not None:
                raise RuntimeError("the emulator ended before it answered") from None
            time.sleep(0.05)
    raise TimeoutError(f"no emulator at {endpoint} after 20 s")
