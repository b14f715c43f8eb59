"""What the tests of framing share: a slow scanner that looks at every byte, and streams that behave badly."""

from __future__ import annotations

import io
import struct

import google_crc32c

from components.nsynth.framing import LONGEST_PAYLOAD, Damage, Record, Scanner, frame


def masked(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def header(length: int) -> bytes:
    """A right header, whatever follows."""
    packed = struct.pack("<Q", length)
    return packed + struct.pack("<I", masked(packed))


def record_end(shard: bytes, start: int) -> int | None:
    """Returns where the record at `start` ends if its header is right and it is whole; its payload may be damaged."""
    if len(shard) < start + 12:
        return None
    (length,) = struct.unpack_from("<Q", shard, start)
    end = start + length + 16
    right = shard[start : start + 12] == header(length) and length <= LONGEST_PAYLOAD
    return end if right and end <= len(shard) else None


def is_record(shard: bytes, start: int) -> bool:
    end = record_end(shard, start)
    return end is not None and struct.pack("<I", masked(shard[start + 12 : end - 4])) == shard[end - 4 : end]


def slow_scan(shard: bytes) -> list[tuple[int, int, bool]]:
    """Returns (offset, size, is a record) of what a scanner should find, by trying every byte."""
    items, start = [], 0
    while start < len(shard):
        if is_record(shard, start):
            stop = record_end(shard, start)
        else:
            limit = record_end(shard, start) or len(shard)
            stop = next((offset for offset in range(start + 1, limit) if is_record(shard, offset)), limit)
        assert stop is not None
        items.append((start, stop - start, is_record(shard, start)))
        start = stop
    return items


def scan_and_check(shard: bytes, size: int | None = None) -> list[Record | Damage]:
    """Scans a shard, and checks what is true of every scan: each byte in one item, all checksums right."""
    scanner, items, position = Scanner(io.BytesIO(shard), "shard", size), [], 0
    for item in scanner:
        span = shard[position : position + item.size]
        assert (item.offset, len(span)) == (position, item.size)
        position += item.size
        assert (scanner.offset, scanner.crc32c) == (position, google_crc32c.value(shard[:position]))
        if isinstance(item, Record):
            assert item.framed == b"".join(item.pieces) == span == frame(item.payload)
            assert item.crc32c == google_crc32c.value(span)
        items.append(item)
    assert position == len(shard)
    assert scanner.records == sum(isinstance(item, Record) for item in items)
    return items


class MadeUp(io.RawIOBase):
    """A stream of some bytes and then many of one block, which is never in memory as a whole."""

    def __init__(self, first: bytes, block: bytes, size: int) -> None:
        self._first, self._block, self._left = io.BytesIO(first), block, size - len(first)
        self.largest_read = 0

    def read(self, size: int = -1) -> bytes:
        self.largest_read = max(self.largest_read, size)
        data = self._first.read(size)
        if not data:
            count = min(size, self._left)
            data = (self._block * (count // len(self._block) + 1))[:count]
            self._left -= count
        return data


class Dripping(io.BytesIO):
    """A stream that gives less than it is asked for."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(size if size is None or size < 4 else max(1, size // 3))
