"""The bytes of a shard ahead of a scanner that has met damage, and the search for the next record among them.

A record may hide at every byte, and a header that looks right may claim 64 MiB that are no record. So that such
headers, however many there are, cost little, the CRC of any span comes from running sums at the chunks' borders: in a
time that does not depend on the span's length. What has been walked past is dropped.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from components.nsynth.checksum import combine, extend, masked
from components.nsynth.header import CRC, FRAMING_BYTES, HEADER
from components.nsynth.header_search import find_headers

_CHUNK_BYTES = 64 << 10


@dataclass(slots=True)
class _Chunk:
    """Some bytes of the shard.

    Attributes:
        start: Where they start in it.
        data: The bytes.
        crc: The running sum before them.
        headers: Where records may start in them, once that has been asked.
    """

    start: int
    data: bytes
    crc: int
    headers: list[int] | None = None

    @property
    def end(self) -> int:
        return self.start + len(self.data)


class Window:
    """A part of a shard in memory, from `start` on; it grows at its end and is dropped at its start.

    Attributes:
        end: Where it ends in the shard.
    """

    def __init__(self, stream: BinaryIO, start: int, pieces: Iterable[bytes]) -> None:
        """Args: the shard, read so far that `pieces` are the last of it; where those start; the pieces."""
        self._stream = stream
        self._chunks: list[_Chunk] = []
        self._starts: list[int] = []
        self._crc = 0
        self.end = start
        for piece in pieces:
            for position in range(0, len(piece), _CHUNK_BYTES):
                self._append(piece[position : position + _CHUNK_BYTES])

    def _append(self, data: bytes) -> None:
        self._chunks.append(_Chunk(self.end, data, self._crc))
        self._starts.append(self.end)
        self._crc = extend(self._crc, data)
        self.end += len(data)

    def load(self, stop: int, at_least: int = 0) -> bool:
        """Reads on to a position of the shard, in steps of `at_least` bytes; tells whether the shard reaches it."""
        while self.end < stop:
            data = self._stream.read(min(max(stop - self.end, at_least), _CHUNK_BYTES))
            if not data:
                return False
            self._append(data)
        return True

    def drop(self, start: int) -> None:
        """Forgets what lies before a position."""
        passed = bisect_right(self._starts, start) - 1
        if start >= self.end:
            passed = len(self._starts)
        if passed > 0:
            del self._chunks[:passed], self._starts[:passed]

    def span(self, start: int, stop: int) -> bytes:
        """Returns the bytes of a span; fewer where the window ends within it."""
        pieces = []
        for index in range(max(0, bisect_right(self._starts, start) - 1), len(self._chunks)):
            chunk = self._chunks[index]
            if chunk.start >= stop:
                break
            pieces.append(chunk.data[max(0, start - chunk.start) : stop - chunk.start])
        return b"".join(pieces)

    def crc_before(self, position: int) -> int:
        """Returns the running sum, from where the window first started, up to a position in it or at its end."""
        if position == self.end:
            return self._crc
        chunk = self._chunk_at(position)
        return extend(chunk.crc, chunk.data[: position - chunk.start])

    def find_record(self, start: int, end: int | None, size: int | None) -> int:
        """Returns where the next whole record with right CRCs starts, and drops what is before.

        Args:
            start: Where to start looking.
            end: Where to stop, and what is then returned; the shard's end if None.
            size: The shard's size where it is known: what would end behind it is then not read.
        """
        while (end is None or start < end) and self.load(start + 1, _CHUNK_BYTES):
            chunk = self._chunk_at(start)
            headers = self._headers(chunk)
            for index in range(bisect_left(headers, start), len(headers)):
                position = headers[index]
                if end is not None and position >= end:
                    break
                if self._is_whole(position, size):
                    self.drop(position)
                    return position
            start = chunk.end
            self.drop(start if end is None else min(start, end))
        return self.end if end is None else end

    def _headers(self, chunk: _Chunk) -> list[int]:
        if chunk.headers is None:
            # A header that starts in this chunk may end in the next.
            self.load(chunk.end + HEADER.size - 1, _CHUNK_BYTES)
            near = self.span(chunk.start, chunk.end + HEADER.size - 1)
            chunk.headers = [chunk.start + position for position in find_headers(near)]
        return chunk.headers

    def _is_whole(self, start: int, size: int | None) -> bool:
        length, _ = HEADER.unpack(self.span(start, start + HEADER.size))
        end = start + length + FRAMING_BYTES
        return (size is None or end <= size) and self.load(end, _CHUNK_BYTES) and self.is_record(start, length)

    def is_record(self, start: int, length: int) -> bool:
        """Tells whether the CRC of a payload of some length matches; header, payload and CRC are in the window."""
        payload_start, payload_end = start + HEADER.size, start + HEADER.size + length
        payload_crc = self.crc_before(payload_end) ^ combine(self.crc_before(payload_start), 0, length)
        return CRC.pack(masked(payload_crc)) == self.span(payload_end, payload_end + CRC.size)

    def _chunk_at(self, position: int) -> _Chunk:
        return self._chunks[bisect_right(self._starts, position) - 1]
