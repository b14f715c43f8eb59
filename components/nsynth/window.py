"""The bytes of a shard ahead of a scanner that has found damage, and the search for the next record among them.

A record may start at every byte, and a header that looks correct may give the length of 64 MiB that are no record. To
keep many such headers cheap, the CRC of any span is computed from running CRCs at the borders of chunks, in a time that
does not depend on the length of the span. Bytes that the scanner has passed are dropped.
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
        start: Their position in the shard.
        data: The bytes.
        crc: The running CRC before them.
        headers: Positions of headers in them, once they have been searched.
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
        end: The position of its end in the shard.
    """

    def __init__(self, stream: BinaryIO, start: int, pieces: Iterable[bytes]) -> None:
        """Args: the shard, just after `pieces`; the position at which those start; the pieces, which were read last."""
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
        """Reads up to a position of the shard, `at_least` bytes or more at a time; tells whether the shard has it."""
        while self.end < stop:
            data = self._stream.read(min(max(stop - self.end, at_least), _CHUNK_BYTES))
            if not data:
                return False
            self._append(data)
        return True

    def drop(self, start: int) -> None:
        """Drops the bytes before a position."""
        passed = bisect_right(self._starts, start) - 1
        if start >= self.end:
            passed = len(self._starts)
        if passed > 0:
            del self._chunks[:passed], self._starts[:passed]

    def span(self, start: int, stop: int) -> bytes:
        """Returns the bytes of a span; fewer if the window ends within it."""
        pieces = []
        for index in range(max(0, bisect_right(self._starts, start) - 1), len(self._chunks)):
            chunk = self._chunks[index]
            if chunk.start >= stop:
                break
            pieces.append(chunk.data[max(0, start - chunk.start) : stop - chunk.start])
        return b"".join(pieces)

    def crc_before(self, position: int) -> int:
        """Returns the CRC of all bytes from the first start of the window up to a position in it or at its end."""
        if position == self.end:
            return self._crc
        chunk = self._chunk_at(position)
        return extend(chunk.crc, chunk.data[: position - chunk.start])

    def find_record(self, start: int, end: int | None, size: int | None) -> int:
        """Returns the position of the next whole record with correct CRCs, and drops the bytes before it.

        Args:
            start: First position to search.
            end: Position to stop at, which is then returned; the shard's end if None.
            size: The shard's size, if it is known: a record that would end after it is then not read.
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
