"""Reading from Cloud Storage: one generation of an object, in parallel ranges ahead of the reader, checksum verified.

A range is read from the connection at once, even if its reader is slow: memory waits for the reader, and no connection
does. After a broken connection, a range continues at the next byte.
"""

from __future__ import annotations

import io
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import BinaryIO, cast

import google_crc32c
import requests

from components.core.errors import InputError
from components.core.text import counted
from components.storage.gcs_client import connection, request, split, transient
from components.storage.gcs_errors import NoObject, error_of_response
from components.storage.gcs_listing import find, stat
from components.storage.objects import Changed, Corrupted, ObjectInfo, crc32c_base64
from components.storage.retry import RequestRetries, Stopped, TransientError
from components.storage.threads import DaemonPool

RANGE_BYTES = 8 << 20
READ_AHEAD = 4  # ranges in memory beside the one that is being read: 40 MB for each stream
_PIECE_BYTES = 256 << 10  # the most that one system call reads; an interrupted read loses none of it
_POOL = DaemonPool(8)


@contextmanager
def open_read(uri: str, generation: str | None, start: int, size: int | None) -> Iterator[BinaryIO]:
    blob = find(uri, generation)
    if blob is None:
        raise NoObject(f"there is no object '{uri}'") if generation is None else _changed(uri, generation)
    if generation is not None and str(blob.generation) != generation:
        raise _changed(uri, generation)
    info = ObjectInfo(uri, blob.name, blob.size or 0, str(blob.generation), lambda: str(blob.crc32c or ""))
    stop = info.size if size is None else min(info.size, start + size)
    with _reading(info, min(start, stop), stop) as stream:
        yield stream


@contextmanager
def open_object(info: ObjectInfo) -> Iterator[BinaryIO]:
    with _reading(info, 0, info.size) as stream:
        yield stream


@contextmanager
def _reading(info: ObjectInfo, start: int, stop: int) -> Iterator[BinaryIO]:
    with _ObjectReader(info, start, stop) as stream:
        try:
            yield cast(BinaryIO, stream)
        except Changed:
            raise
        except (InputError, Corrupted) as error:  # a wrong content may come from a replaced object
            _check_unchanged(info, error)
            raise


def _changed(uri: str, generation: str) -> Changed:
    return Changed(
        f"'{uri}' was replaced or deleted while it was read: generation {generation} no longer exists; run the command "
        "again"
    )


def _check_unchanged(info: ObjectInfo, cause: Exception) -> None:
    # The service itself rejects another generation; not every emulator does.
    now = stat(info.uri)
    if now is None or now.generation != info.generation:
        raise _changed(info.uri, info.generation) from cause


class _ObjectReader(io.RawIOBase):
    """Reads a span of one generation of an object, front to back."""

    def __init__(self, info: ObjectInfo, start: int, stop: int) -> None:
        super().__init__()
        self._info, self._position, self._stop = info, start, stop
        self._expected = info.crc32c if (start, stop) == (0, info.size) else ""
        self._crc32c = 0
        self._ranges: deque[_Range] = deque()
        self._next_start = start
        # Reused: memory that one thread allocates and another one frees would fragment the heap.
        self._free_buffers: list[bytearray] = []
        self._stopped = threading.Event()

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Returns `size` bytes, fewer only at the end; all remaining bytes if negative or None."""
        left = self._stop - self._position
        if size is None or not 0 <= size <= left:
            size = left
        data = self._take(size)
        if len(data) < size:
            parts = [data]
            missing = size - len(data)
            while missing:
                parts.append(self._take(missing))
                missing -= len(parts[-1])
            data = b"".join(parts)
        return data

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fills the buffer, completely except at the end."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _take(self, size: int) -> bytes:
        """Returns the next `size` bytes, or fewer where the range ends."""
        if not size:
            return b""
        self._ask_ahead()
        data = self._ranges[0].take(size)
        self._position += len(data)
        if self._position == self._ranges[0].stop:
            self._free_buffers.append(self._ranges.popleft().buffer)
        if self._expected:
            self._verify(data)
        return data

    def _ask_ahead(self) -> None:
        while self._next_start < self._stop and len(self._ranges) <= READ_AHEAD:
            stop = min(self._next_start + RANGE_BYTES, self._stop)
            buffer = self._free_buffers.pop() if self._free_buffers else bytearray(stop - self._next_start)
            self._ranges.append(_Range(self._info, self._next_start, stop, buffer, self._stopped))
            self._next_start = stop

    def _verify(self, data: bytes) -> None:
        self._crc32c = google_crc32c.extend(self._crc32c, data)
        if self._position == self._stop and crc32c_base64(self._crc32c) != self._expected:
            found = crc32c_base64(self._crc32c)
            raise Corrupted(
                f"'{self._info.uri}' arrived damaged: its CRC32C is {found}, expected {self._expected}; run it again"
            )

    def close(self) -> None:
        self._stopped.set()
        self._ranges.clear()
        self._free_buffers.clear()
        self._position = self._stop
        super().close()


class _Range:
    """One range of an object, read by a thread of the pool as soon as it is created."""

    def __init__(self, info: ObjectInfo, start: int, stop: int, buffer: bytearray, stopped: threading.Event) -> None:
        self.stop, self.buffer = stop, buffer
        self._info, self._start, self._stopped = info, start, stopped
        self._view = memoryview(buffer)
        self._arrivals: SimpleQueue[int | BaseException] = SimpleQueue()  # the position after each piece
        self._arrived = self._taken = start
        _POOL.submit(self._read)

    def take(self, size: int) -> bytes:
        """Waits for the next `size` bytes of the range, or fewer at its end."""
        end = min(self._taken + size, self.stop)
        while self._arrived < end:
            arrival = self._arrivals.get()
            if isinstance(arrival, BaseException):
                raise arrival
            self._arrived = arrival
        data = bytes(self._view[self._taken - self._start : end - self._start])
        self._taken = end
        return data

    def _read(self) -> None:
        position, retries = self._start, RequestRetries("read", self._info.uri, self._stopped)
        try:
            while position < self.stop:
                try:
                    for piece in self._attempt(position):
                        offset = position - self._start
                        self._view[offset : offset + len(piece)] = piece
                        position += len(piece)
                        self._arrivals.put(position)
                        retries.progressed()
                except TransientError as error:
                    retries.wait(error)
        except BaseException as error:
            self._arrivals.put(error)

    def _attempt(self, position: int) -> Iterator[bytes]:
        if self._stopped.is_set():
            raise Stopped
        bucket, name = split(self._info.uri)
        # To accept gzip asks for the stored bytes, whatever their encoding: the checksum is of those.
        headers = {"Range": f"bytes={position}-{self.stop - 1}", "Accept-Encoding": "gzip"}
        params = {"alt": "media", "generation": self._info.generation}
        url = connection().object_url("download", bucket, name)
        with request("GET", url, params=params, headers=headers) as response:
            self._check(response)
            yield from self._body(response, position)

    def _check(self, response: requests.Response) -> None:
        uri, generation = self._info.uri, self._info.generation
        if response.status_code in (404, 412, 416):
            raise _changed(uri, generation)
        if response.status_code not in (200, 206):
            with transient():
                text = response.text
            raise error_of_response(uri, response.status_code, text)
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
        if total.isdecimal() and int(total) != self._info.size:
            raise _changed(uri, generation)
        if response.headers.get("x-goog-generation", generation) != generation:
            raise _changed(uri, generation)

    def _body(self, response: requests.Response, position: int) -> Iterator[bytes]:
        skip, left = self._skipped(response, position), self.stop - position
        while left:
            if self._stopped.is_set():
                raise Stopped
            with transient():
                piece = response.raw.read1(_PIECE_BYTES, decode_content=False)
            if not piece:
                raise TransientError(f"the stream ended {counted(left, 'byte')} early")
            if skip:
                piece, skip = piece[skip:], max(0, skip - len(piece))
            if len(piece) > left:
                piece = piece[:left]
            if piece:
                left -= len(piece)
                yield piece

    def _skipped(self, response: requests.Response, position: int) -> int:
        """Returns how many bytes of the body are before `position`."""
        first = response.headers.get("Content-Range", "").partition("-")[0].rpartition(" ")[2]
        if first.isdecimal():
            if int(first) > position:
                raise TransientError(f"asked for byte {position}, got byte {first}")
            return position - int(first)
        # 200 without Content-Range: the whole object, unless its length says that it is the range after all.
        return 0 if response.headers.get("Content-Length") == str(self.stop - position) else position
