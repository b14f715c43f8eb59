"""One resumable upload: https://cloud.google.com/storage/docs/performing-resumable-uploads.

Whatever is lost on the way, the service is asked what it has, and gets the rest. The object carries the upload's own
mark in its metadata: after a lost answer that tells our own success from another writer's.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import requests

from components.core.errors import StepError
from components.storage.gcs_client import connection, refusal, request, split, transient
from components.storage.gcs_listing import find, remove
from components.storage.objects import Conflict, Corrupted, crc32c_base64
from components.storage.retrying import Patience, Stopped, Transient

_MARK = "luthier-upload"
_SEND_BYTES = 256 << 10  # a connection's time limit is for one sending: small enough for a slow line
_CANCEL_TIMEOUT_S = 5.0


class _Body:
    """Pieces as the body of a request, from byte `skip` on: sent one after the other, never joined."""

    def __init__(self, pieces: Sequence[bytes | memoryview], skip: int) -> None:
        self._pieces, self._skip = pieces, skip
        self._size = sum(map(len, pieces)) - skip

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[memoryview]:
        skip = self._skip
        for piece in self._pieces:
            view = memoryview(piece)[skip:]
            skip = max(0, skip - len(piece))
            for start in range(0, len(view), _SEND_BYTES):
                yield view[start : start + _SEND_BYTES]


class Upload:
    """Sends an object's chunks in their order. Nothing of it appears before its last one."""

    def __init__(self, uri: str, if_generation_match: str | None) -> None:
        self._uri = uri
        self._bucket, self._name = split(uri)
        self._if_generation_match = if_generation_match
        self._mark = uuid.uuid4().hex
        self._session_url: str | None = None
        self._start = 0  # of the chunk that is under way
        self.stopped = threading.Event()

    def send(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Sends a chunk that is not the last: a multiple of 256 KiB."""
        self._send(pieces, {}, "*")
        self._start += sum(map(len, pieces))

    def finish(self, pieces: Sequence[bytes | memoryview], crc32c: int) -> None:
        """Sends the rest and checks what the service then says that it has.

        Raises:
            Conflict: The object is not what `if_generation_match` says; nothing was changed.
            Corrupted: The service received something else.
        """
        total = self._start + sum(map(len, pieces))
        expected = crc32c_base64(crc32c)
        found = self._send(pieces, {"X-Goog-Hash": f"crc32c={expected}"}, str(total))
        if (found["crc32c"], int(found["size"])) != (expected, total):
            remove(self._uri, str(found["generation"]))
            raise Corrupted(
                f"'{self._uri}' arrived damaged and was removed: {found['size']} bytes with CRC32C {found['crc32c']}, "
                f"sent were {total} with {expected}"
            )

    def cancel(self) -> None:
        """Tells the service to forget the upload, if it can be told now; it forgets it after a week in any case."""
        if self._session_url is not None:
            with suppress(Exception), request("DELETE", self._session_url, timeout=_CANCEL_TIMEOUT_S):
                pass

    def _begin(self, patience: Patience) -> str:
        params = {"uploadType": "resumable", "name": self._name}
        if self._if_generation_match is not None:
            params["ifGenerationMatch"] = self._if_generation_match
        metadata = json.dumps({"name": self._name, "metadata": {_MARK: self._mark}}).encode()
        headers = {"Content-Type": "application/json", "X-Upload-Content-Type": "application/octet-stream"}
        url = connection().object_url("upload", self._bucket)
        while True:
            try:
                answer = self._ask("POST", url, headers, metadata, params)
            except Transient as problem:
                patience.wait(problem)
                continue
            if answer.status_code == 412:
                raise self._conflict()
            if answer.status_code not in (200, 201):
                raise refusal(self._uri, answer.status_code, answer.text)
            return str(answer.headers["Location"])

    def _send(self, pieces: Sequence[bytes | memoryview], headers: dict[str, str], total: str) -> dict[str, Any]:
        """Sends a chunk; returns the object's metadata if it is the last."""
        patience = Patience("write", self._uri, self.stopped)
        sent, size = 0, sum(map(len, pieces))
        while True:
            if self._session_url is None:
                self._session_url = self._begin(patience)
            first, last = self._start + sent, self._start + size - 1
            span = f"{first}-{last}" if sent < size else "*"
            try:
                answer = self._put(span, total, headers, _Body(pieces, sent))
            except Transient as problem:
                patience.wait(problem)
                answer = self._ask_what_is_there(patience, total, headers)
            if answer.status_code != 308:
                found = self._ended(answer)
                if found is not None:
                    return found
                self._session_url, sent = None, 0  # from the beginning, of which nothing is gone yet
                patience.wait(Transient(f"{answer.status_code}: the upload was lost"))
                continue
            before, sent = sent, _stored_bytes(answer) - self._start
            if sent < 0:
                raise StepError(f"cannot write '{self._uri}': Cloud Storage lost bytes it had received, run it again")
            if sent == size and total == "*":
                return {}
            if sent > before:
                patience.progress()
            else:
                patience.wait(Transient("nothing of the chunk was stored"))

    def _put(self, span: str, total: str, headers: dict[str, str], body: _Body | bytes) -> requests.Response:
        assert self._session_url is not None
        headers = {**headers, "Content-Range": f"bytes {span}/{total}"}
        # requests takes a body of length 0 for one of unknown length
        return self._ask("PUT", self._session_url, headers, body if len(body) else b"", {})

    def _ask(
        self, method: str, url: str, headers: dict[str, str], body: Any, params: dict[str, str]
    ) -> requests.Response:
        if self.stopped.is_set():
            raise Stopped
        with (
            request(method, url, params=params, headers=headers, data=body, allow_redirects=False) as answer,
            transient(),
        ):
            answer.content  # noqa: B018 (reads it)
        return answer

    def _ask_what_is_there(self, patience: Patience, total: str, headers: dict[str, str]) -> requests.Response:
        while True:
            try:
                return self._put("*", total, headers, b"")
            except Transient as problem:
                patience.wait(problem)

    def _ended(self, answer: requests.Response) -> dict[str, Any] | None:
        """Returns the metadata of the object if it is there and ours; None if the upload must begin again."""
        status = answer.status_code
        if status in (200, 201):
            with suppress(ValueError, TypeError, KeyError):
                found = answer.json()
                return {"crc32c": found["crc32c"], "size": found.get("size", 0), "generation": found["generation"]}
        elif status not in (404, 410, 412):
            text = answer.text
            if status == 400 and re.search("crc32c|checksum|hash", text, re.IGNORECASE):
                raise Corrupted(f"'{self._uri}' arrived damaged and was refused: {' '.join(text.split())[:200]}")
            raise refusal(self._uri, status, text)
        blob = find(self._uri)  # was it stored, and the answer lost?
        if blob is not None and (blob.metadata or {}).get(_MARK) == self._mark:
            return {"crc32c": blob.crc32c, "size": blob.size or 0, "generation": blob.generation}
        if status == 412:
            raise self._conflict()
        if self._start or status not in (404, 410):
            raise StepError(f"cannot write '{self._uri}': Cloud Storage lost the upload ({status}), run it again")
        return None

    def _conflict(self) -> Conflict:
        if self._if_generation_match == "0":
            return Conflict(f"'{self._uri}' is there already: somebody else wrote it")
        return Conflict(
            f"'{self._uri}' is no longer generation {self._if_generation_match}: somebody else wrote or deleted it"
        )


def _stored_bytes(answer: requests.Response) -> int:
    """Returns how many bytes a 308 says are stored."""
    last = int(answer.headers.get("Range", "bytes=0--1").partition("-")[2])
    # Multiples of 256 KiB are stored; that only the first byte is, is an emulator's way to say nothing.
    return last + 1 if last > 0 else 0
