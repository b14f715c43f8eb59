"""Writing to Cloud Storage: other threads send the chunks of a resumable upload while the writer continues."""

from __future__ import annotations

import io
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO, cast

import google_crc32c

from components.core.errors import InputError
from components.storage.gcs_client import split
from components.storage.gcs_upload import Upload
from components.storage.threads import DaemonPool

_CHUNK_UNIT_BYTES = 256 << 10  # chunks but the last must be multiples of it
_LONGEST_WAIT_FOR_CANCEL_S = 5.0
_NO_CANCEL_S = 60.0
_POOL = DaemonPool(8)
_no_cancel_before = 0.0  # by time.monotonic


@contextmanager
def open_write(uri: str, if_generation_match: str | None, chunk_bytes: int) -> Iterator[BinaryIO]:
    if not split(uri)[1]:
        raise InputError(f"cannot write '{uri}': expected gs://bucket/name")
    stream = _ObjectWriter(Upload(uri, if_generation_match), chunk_bytes)
    try:
        with stream:
            yield cast(BinaryIO, stream)
            stream.finish()
    except BaseException:
        stream.cancel()
        raise


class _ObjectWriter(io.RawIOBase):
    """Collects chunks. It holds two in memory: the one that is being filled and the one that is being sent."""

    def __init__(self, upload: Upload, chunk_bytes: int) -> None:
        super().__init__()
        self._upload = upload
        self._chunk_bytes = max(1, -(-chunk_bytes // _CHUNK_UNIT_BYTES)) * _CHUNK_UNIT_BYTES
        self._pieces: deque[bytes | memoryview] = deque()
        self._gathered = self._written = self._crc32c = 0
        self._sending: Future[None] | None = None

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: Any) -> int:
        """Writes all of `data`, without a copy if it is `bytes`; returns its size in bytes."""
        piece = data if type(data) is bytes else bytes(data)
        self._crc32c = google_crc32c.extend(self._crc32c, piece)
        self._pieces.append(piece)
        self._written += len(piece)
        self._gathered += len(piece)
        while self._gathered > self._chunk_bytes:  # the last chunk must not be empty
            self._send_chunk()
        return len(piece)

    def writelines(self, lines: Iterable[Any]) -> None:
        """Writes all pieces, without joining them."""
        for piece in lines:
            self.write(piece)

    def _send_chunk(self) -> None:
        chunk: list[bytes | memoryview] = []
        missing = self._chunk_bytes
        while missing:
            piece = self._pieces.popleft()
            if len(piece) > missing:
                view = memoryview(piece)
                piece = view[:missing]
                self._pieces.appendleft(view[missing:])
            chunk.append(piece)
            missing -= len(piece)
        self._gathered -= self._chunk_bytes
        self._wait()
        self._sending = _POOL.submit(partial(self._upload.send, chunk))

    def _wait(self) -> None:
        if self._sending is not None:
            sending, self._sending = self._sending, None
            sending.result()

    def finish(self) -> None:
        """Sends the rest and waits until the object exists."""
        self._wait()
        self._upload.finish(list(self._pieces), self._crc32c)

    def cancel(self) -> None:
        """Ends the upload without creating the object.

        A sort has many uploads at a time. Once the service does not answer, the next ones expire by themselves.
        """
        global _no_cancel_before
        self._upload.stopped.set()
        self._pieces.clear()
        if time.monotonic() < _no_cancel_before:
            return
        sending = [] if self._sending is None else [self._sending]
        if wait(sending, _LONGEST_WAIT_FOR_CANCEL_S).not_done or not self._upload.cancel():
            _no_cancel_before = time.monotonic() + _NO_CANCEL_S
