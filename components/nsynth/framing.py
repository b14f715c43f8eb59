"""TFRecord framing: length (u64), its CRC, the payload, its CRC; all little-endian, CRCs masked.

Format: tensorflow/core/lib/io/record_writer.h and its masking in tensorflow/core/lib/hash/crc32c.h.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from components.core.errors import InputError
from components.nsynth.checksum import combine, crc32c, extend, masked
from components.nsynth.header import CRC, FRAMING_BYTES, HEADER, LONGEST_PAYLOAD, read_header, write_header

if TYPE_CHECKING:
    from components.nsynth.window import Window

__all__ = [
    "FRAMING_BYTES",
    "LONGEST_PAYLOAD",
    "BadRecord",
    "Damage",
    "Record",
    "Scanner",
    "frame",
    "read_records",
    "scan",
]

_DAMAGED_PAYLOAD = "the CRC of its payload does not match"
_MOST_HEADERS = 1024  # remembered; the data set has a few dozen lengths


class Record(NamedTuple):
    """One record of a shard, both CRCs checked.

    Attributes:
        offset: Where its frame starts in the shard, in bytes.
        header: The length and its CRC, 12 bytes.
        payload: The serialised tf.train.Example.
        trailer: The payload's CRC, 4 bytes.
        crc32c: The CRC32C of the frame: header, payload and trailer.
    """

    offset: int
    header: bytes
    payload: bytes
    trailer: bytes
    crc32c: int

    @property
    def size(self) -> int:
        """Bytes of the frame."""
        return len(self.payload) + FRAMING_BYTES

    @property
    def pieces(self) -> tuple[bytes, bytes, bytes]:
        """The frame in three pieces, for a writer that takes several."""
        return self.header, self.payload, self.trailer

    @property
    def framed(self) -> bytes:
        """The frame as it stands in the shard, in one piece."""
        return b"".join(self.pieces)


class Damage(NamedTuple):
    """A span of a shard that is no record. Its bytes are not held, as they may be gigabytes: read the span again.

    Attributes:
        offset: Where it starts in the shard, in bytes.
        size: Its length in bytes.
        reason: What is wrong at its start.
    """

    offset: int
    size: int
    reason: str


class BadRecord(InputError):  # noqa: N818 (reads as what it is)
    """A record that cannot be used.

    Attributes:
        shard: The shard's name.
        offset: Where the record starts, in bytes.
        size: The length of what cannot be used, in bytes.
        reason: What is wrong with it.
    """

    def __init__(self, shard: str, offset: int, size: int, reason: str) -> None:
        super().__init__(f"bad record in '{shard}' at byte {offset}: {reason}")
        self.shard, self.offset, self.size, self.reason = shard, offset, size, reason


def frame(payload: bytes) -> bytes:
    """Returns the payload as a record of a TFRecord file."""
    return b"".join((write_header(len(payload)), payload, CRC.pack(masked(crc32c(payload)))))


class Scanner:
    """Walks a shard and goes on after damage: every byte of it is in exactly one of the items.

    Where there should be a record and is none, the Damage reaches to the next whole record with right CRCs, at most to
    the shard's end; or, where the header is right and the payload's CRC is not, to the end that the header tells.

    Attributes:
        offset: Bytes walked so far.
        records: Records found so far.
        crc32c: The CRC32C of the bytes walked so far.
    """

    def __init__(self, stream: BinaryIO, name: str, size: int | None = None) -> None:
        """Args: the shard, at its start; its name for messages; its size in bytes, where it is known."""
        self.name, self._stream, self._size = name, stream, size
        self.offset = self.records = self.crc32c = 0
        self._window: Window | None = None  # what has been read ahead, after damage
        self._headers: dict[bytes, tuple[int, int]] = {}

    def __iter__(self) -> Iterator[Record | Damage]:
        while item := self._next() if self._window is None else self._next_in(self._window):
            yield item

    def _next(self) -> Record | Damage | None:
        header = self._read(HEADER.size)
        if not header:
            return None
        known = self._headers.get(header) or self._check(header)
        if isinstance(known, str):
            return self._damage(self._window_from(header), known)
        length, header_crc = known
        end = self.offset + length + FRAMING_BYTES
        if self._size is not None and end > self._size:
            return self._damage(self._window_from(header), _cut_off(end - self._size))
        payload, trailer = self._read(length), self._read(CRC.size)
        if len(trailer) < CRC.size:
            missing = length + CRC.size - len(payload) - len(trailer)
            return self._damage(self._window_from(header, payload, trailer), _cut_off(missing))
        payload_crc = crc32c(payload)
        if CRC.unpack(trailer)[0] != masked(payload_crc):
            return self._damage(self._window_from(header, payload, trailer), _DAMAGED_PAYLOAD, end)
        return self._record(header, header_crc, payload, payload_crc, trailer)

    def _next_in(self, window: Window) -> Record | Damage | None:
        """What `_next` does, with bytes that have been read already. Nothing here takes as long as a record is long."""
        start = self.offset
        window.load(start + HEADER.size)
        header = window.span(start, start + HEADER.size)
        if not header:
            return None
        known = self._headers.get(header) or self._check(header)
        if isinstance(known, str):
            return self._damage(window, known)
        length, header_crc = known
        end = start + length + FRAMING_BYTES
        if self._size is not None and end > self._size:
            return self._damage(window, _cut_off(end - self._size))
        if not window.load(end):
            return self._damage(window, _cut_off(end - window.end))
        if not window.is_record(start, length):
            return self._damage(window, _DAMAGED_PAYLOAD, end)
        payload, trailer = window.span(start + HEADER.size, end - CRC.size), window.span(end - CRC.size, end)
        self._walk_past(window, end)
        return self._record(header, header_crc, payload, crc32c(payload), trailer)

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        while len(data) < size and (more := self._stream.read(size - len(data))):
            data += more
        return data

    def _check(self, header: bytes) -> tuple[int, int] | str:
        """Returns the payload's length and the header's CRC32C, or what is wrong."""
        length = read_header(header)
        if isinstance(length, str):
            return length
        if len(self._headers) >= _MOST_HEADERS:
            self._headers.clear()
        self._headers[header] = known = length, crc32c(header)
        return known

    def _record(self, header: bytes, header_crc: int, payload: bytes, payload_crc: int, trailer: bytes) -> Record:
        start, length = self.offset, len(payload)
        crc = extend(combine(header_crc, payload_crc, length), trailer)
        self.crc32c = combine(self.crc32c, crc, length + FRAMING_BYTES)
        self.offset = start + length + FRAMING_BYTES
        self.records += 1
        return Record(start, header, payload, trailer, crc)

    def _window_from(self, *pieces: bytes) -> Window:
        """Puts the bytes that were read last, and are no record, in front of what is to come."""
        from components.nsynth.window import Window  # brings numpy, and hardly any shard needs it

        self._window = Window(self._stream, self.offset, pieces)
        return self._window

    def _damage(self, window: Window, reason: str, end: int | None = None) -> Damage:
        """Walks past damage that starts here and reaches to the next record, at most to `end`."""
        start, crc_before = self.offset, window.crc_before(self.offset)
        self.offset = window.find_record(start + 1, end, self._size)
        size = self.offset - start
        self.crc32c = combine(self.crc32c, window.crc_before(self.offset) ^ combine(crc_before, 0, size), size)
        self._walk_past(window, self.offset)
        return Damage(start, size, reason)

    def _walk_past(self, window: Window, end: int) -> None:
        window.drop(end)
        if window.end == end:
            self._window = None


def _cut_off(missing: int) -> str:
    return f"the shard ends within the record ({missing} bytes are missing)"


def scan(stream: BinaryIO, name: str, size: int | None = None) -> Iterator[Record | Damage]:
    """Walks a shard and goes on after damage: every byte of it is in exactly one of the yielded items.

    Args:
        stream: The shard, at its start; `read(n)` gives less than n bytes at its end alone.
        name: The shard's name for messages.
        size: Its size in bytes, where it is known: an absurd length is then noticed before anything is read.
    """
    return iter(Scanner(stream, name, size))


def read_records(stream: BinaryIO, name: str, size: int | None = None) -> Iterator[Record]:
    """Yields a shard's records, both CRCs of each checked; raises the first BadRecord. Arguments as of `scan`."""
    for item in scan(stream, name, size):
        if isinstance(item, Damage):
            raise BadRecord(name, item.offset, item.size, item.reason)
        yield item
