"""One resumable upload: https://cloud.google.com/storage/docs/performing-resumable-uploads.

After a failure the service is asked which bytes it has, and gets the rest. The object has the id of its upload in its
metadata: after a lost response, the id shows whether this upload or another writer made the object.
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
from components.storage.gcs_client import connection, request, split, transient
from components.storage.gcs_errors import error_of_response, reason_of
from components.storage.gcs_listing import find, remove
from components.storage.objects import Conflict, Corrupted, crc32c_base64
from components.storage.retry import RequestRetries, Stopped, TransientError, patience

_UPLOAD_ID_KEY = "luthier-upload"
_SEND_BYTES = 256 << 10  # a connection's timeout is for one send: small enough for a slow line
_CANCEL_LIMIT_S = 5.0


class _Body:
    """Pieces as the body of a request, from byte `skip` on: sent one after the other, without joining them."""

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
    """Sends the chunks of an object in order. The object appears with the last one."""

    def __init__(self, uri: str, if_generation_match: str | None) -> None:
        self._uri = uri
        self._bucket, self._name = split(uri)
        self._if_generation_match = if_generation_match
        self._id = uuid.uuid4().hex
        self._session_url: str | None = None
        self._start = 0  # of the current chunk
        self.stopped = threading.Event()

    def send(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Sends a chunk that is not the last: a multiple of 256 KiB."""
        self._send(pieces, {}, "*")
        self._start += sum(map(len, pieces))

    def finish(self, pieces: Sequence[bytes | memoryview], crc32c: int) -> None:
        """Sends the rest and checks the size and checksum that the service reports.

        Raises:
            Conflict: The object is not what `if_generation_match` says; nothing was changed.
            Corrupted: The service received other bytes.
        """
        total = self._start + sum(map(len, pieces))
        expected = crc32c_base64(crc32c)
        found = self._send(pieces, {"X-Goog-Hash": f"crc32c={expected}"}, str(total))
        if (found["crc32c"], int(found["size"])) != (expected, total):
            remove(self._uri, str(found["generation"]))
            raise Corrupted(
                f"'{self._uri}' arrived damaged and was deleted: {found['size']} bytes with CRC32C {found['crc32c']}, "
                f"expected {total} bytes with {expected}; run the command again"
            )

    def cancel(self) -> bool:
        """Asks the service once to delete the upload, which else expires after a week; tells whether it answers."""
        if self._session_url is not None:
            try:
                with patience(_CANCEL_LIMIT_S), request("DELETE", self._session_url):
                    pass
            except Exception:
                return False
        return True

    def _begin(self, retries: RequestRetries) -> str:
        params = {"uploadType": "resumable", "name": self._name}
        if self._if_generation_match is not None:
            params["ifGenerationMatch"] = self._if_generation_match
        metadata = json.dumps({"name": self._name, "metadata": {_UPLOAD_ID_KEY: self._id}}).encode()
        headers = {"Content-Type": "application/json", "X-Upload-Content-Type": "application/octet-stream"}
        url = connection().object_url("upload", self._bucket)
        while True:
            try:
                response = self._ask("POST", url, headers, metadata, params)
                if response.status_code not in (200, 201):
                    raise self._refused(response.status_code, response.text)
                if session_url := response.headers.get("Location"):
                    return str(session_url)
                raise TransientError("the response to the start of an upload is not as documented")
            except TransientError as error:
                retries.wait(error)

    def _send(self, pieces: Sequence[bytes | memoryview], headers: dict[str, str], total: str) -> dict[str, Any]:
        """Sends a chunk; returns the object's metadata if it is the last."""
        retries = RequestRetries("write", self._uri, self.stopped)
        sent, size = 0, sum(map(len, pieces))
        while True:
            if self._session_url is None:
                self._session_url = self._begin(retries)
            first, last = self._start + sent, self._start + size - 1
            span, has_waited = f"{first}-{last}" if sent < size else "*", False
            try:
                answer = self._put(span, total, headers, _Body(pieces, sent))
            except TransientError as error:
                retries.wait(error)
                answer, has_waited = self._ask_status(retries, total, headers), True
            if answer is None:
                self._session_url, sent = None, 0  # this is the first chunk, so the upload can start again
                retries.wait(TransientError("the upload was lost"))
                continue
            if isinstance(answer, dict):
                return answer
            before, sent = sent, answer - self._start
            if sent < 0:
                raise StepError(
                    f"cannot write '{self._uri}': Cloud Storage lost bytes that it had received; run the command again"
                )
            if sent == size and total == "*":
                return {}
            if sent > before:
                retries.progressed()
            elif not has_waited:
                retries.wait(TransientError("no byte of the chunk was stored"))

    def _put(self, span: str, total: str, headers: dict[str, str], body: _Body | bytes) -> dict[str, Any] | int | None:
        """Returns the object's metadata if it exists now, else the bytes stored; None: the upload must start again."""
        assert self._session_url is not None
        headers = {**headers, "Content-Range": f"bytes {span}/{total}"}
        # requests takes a body of length 0 for one of unknown length
        response = self._ask("PUT", self._session_url, headers, body if len(body) else b"", {})
        return _stored_bytes(response) if response.status_code == 308 else self._ended(response)

    def _ask(
        self, method: str, url: str, headers: dict[str, str], body: Any, params: dict[str, str]
    ) -> requests.Response:
        if self.stopped.is_set():
            raise Stopped
        with (
            request(method, url, params=params, headers=headers, data=body, allow_redirects=False) as response,
            transient(),
        ):
            response.content  # noqa: B018 (reads it)
        return response

    def _ask_status(self, retries: RequestRetries, total: str, headers: dict[str, str]) -> dict[str, Any] | int | None:
        while True:
            try:
                return self._put("*", total, headers, b"")
            except TransientError as error:
                retries.wait(error)

    def _ended(self, response: requests.Response) -> dict[str, Any] | None:
        """Returns the metadata of the object if this upload has made it; None if the upload must start again."""
        status = response.status_code
        if status in (200, 201):
            with suppress(ValueError, TypeError, KeyError):
                found = response.json()
                return {"crc32c": found["crc32c"], "size": found.get("size", 0), "generation": found["generation"]}
        elif status not in (404, 410, 412):
            raise self._refused(status, response.text)
        blob = find(self._uri)  # was it stored, and the response lost?
        if blob is not None and (blob.metadata or {}).get(_UPLOAD_ID_KEY) == self._id:
            return {"crc32c": blob.crc32c, "size": blob.size or 0, "generation": blob.generation}
        if status == 412:
            raise self._refused(status, response.text)
        if status in (200, 201):
            raise TransientError("the response to an upload is not as documented")
        if self._start:
            raise StepError(
                f"cannot write '{self._uri}': Cloud Storage lost the upload ({status}); run the command again"
            )
        return None

    def _refused(self, status: int, text: str) -> Exception:
        """Returns the error for a response that ends the upload; `text` is its body.

        A wrong checksum is a 400, and a 412 of Google's storage-testbench. A 412 is also what an organization policy
        answers that the object does not meet (orgPolicyConstraintFailed).
        """
        if status in (400, 412) and re.search("crc32c|checksum|hash", text, re.IGNORECASE):
            return Corrupted(f"'{self._uri}' arrived damaged and was rejected: {reason_of(text)}; run it again")
        if status == 412 and self._if_generation_match is not None and "constraint" not in text.lower():
            return self._conflict()
        return error_of_response(self._uri, status, text)

    def _conflict(self) -> Conflict:
        if self._if_generation_match == "0":
            return Conflict(f"cannot create '{self._uri}': it exists already, another writer was faster")
        return Conflict(
            f"cannot replace '{self._uri}': another writer changed it, generation {self._if_generation_match} is gone"
        )


def _stored_bytes(response: requests.Response) -> int:
    """Returns how many bytes a 308 says are stored."""
    found = re.fullmatch(r"bytes=0-(\d+)", response.headers.get("Range", ""))
    last = int(found[1]) if found else 0
    # The service stores multiples of 256 KiB. An emulator reports the first byte where nothing is stored.
    return last + 1 if last > 0 else 0
