"""TFRecord framing: length (u64), its CRC, the payload, its CRC; all little-endian, CRCs masked.

Format: tensorflow/core/lib/io/record_writer.h and its masking in tensorflow/core/lib/hash/crc32c.h.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from components.core.errors import InputError
from components.core.file_kinds import file_kind
from components.core.text import counted
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
    "checked_after_damage",
    "frame",
    "read_records",
    "scan",
]

_DAMAGED_PAYLOAD = "the CRC of its payload does not match"
_PIECE_BYTES = 1 << 20
_MOST_HEADERS = 1024  # in the cache; the data set has a few dozen lengths


class Record(NamedTuple):
    """One record of a shard, both CRCs checked.

    Attributes:
        offset: Start of its frame in the shard, in bytes.
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
        """The frame as it is in the shard, in one piece."""
        return b"".join(self.pieces)


class Damage(NamedTuple):
    """A span of a shard that is no record. It does not hold the bytes, which may be gigabytes: read the span again.

    Attributes:
        offset: Its start in the shard, in bytes.
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
        offset: Start of the record, in bytes.
        size: Length of the unusable span, in bytes.
        reason: What is wrong.
    """

    def __init__(self, shard: str, offset: int, size: int, reason: str) -> None:
        super().__init__(f"bad record in '{shard}' at byte {offset}: {reason}")
        self.shard, self.offset, self.size, self.reason = shard, offset, size, reason


@contextmanager
def checked_after_damage(stream: BinaryIO) -> Iterator[None]:
    """After a BadRecord in the block, reads the shard to its end, where storage compares its checksum.

    So a shard that was damaged on the way here is `storage.Corrupted`, which another attempt may not be; and a record
    that is damaged where it lies remains a BadRecord.
    """
    try:
        yield
    except BadRecord:
        while stream.read(_PIECE_BYTES):
            pass
        raise


def frame(payload: bytes) -> bytes:
    """Returns the payload as a record of a TFRecord file."""
    return b"".join((write_header(len(payload)), payload, CRC.pack(masked(crc32c(payload)))))


class Scanner:
    """Iterates over a shard, past damage as well: every byte of it is in exactly one of the items.

    A Damage with a wrong header ends at the next whole record with correct CRCs, or at the end of the shard. A Damage
    with a correct header and a wrong payload CRC ends where the header says that the record ends.

    Attributes:
        offset: Bytes read so far.
        records: Records found so far.
        crc32c: The CRC32C of the bytes read so far.
    """

    def __init__(self, stream: BinaryIO, name: str, size: int | None = None) -> None:
        """Args: the shard, at its start; its name for messages; its size in bytes, if it is known."""
        self.name, self._stream, self._size = name, stream, size
        self.offset = self.records = self.crc32c = 0
        self._window: Window | None = None  # the bytes that were read ahead, after damage
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
            kind = "" if self.offset else file_kind(header)
            reason = f"the file is {kind}, expected TFRecord" if kind else known
            return self._damage(self._window_from(header), reason)
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
        """Does as `_next`, on the bytes in the window. Its time does not grow with the length of the record."""
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
        self._move_to(window, end)
        return self._record(header, header_crc, payload, crc32c(payload), trailer)

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        while len(data) < size and (more := self._stream.read(size - len(data))):
            data += more
        return data

    def _check(self, header: bytes) -> tuple[int, int] | str:
        """Returns the payload's length and the header's CRC32C, or the reason of damage."""
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
        """Returns a window on the shard that starts with the bytes that were read last, which are no record."""
        from components.nsynth.window import Window  # imports numpy, which an undamaged shard does not need

        self._window = Window(self._stream, self.offset, pieces)
        return self._window

    def _damage(self, window: Window, reason: str, end: int | None = None) -> Damage:
        """Moves past the damage that starts here and ends at the next record, at most at `end`."""
        start, crc_before = self.offset, window.crc_before(self.offset)
        self.offset = window.find_record(start + 1, end, self._size)
        size = self.offset - start
        self.crc32c = combine(self.crc32c, window.crc_before(self.offset) ^ combine(crc_before, 0, size), size)
        self._move_to(window, self.offset)
        return Damage(start, size, reason)

    def _move_to(self, window: Window, end: int) -> None:
        window.drop(end)
        if window.end == end:
            self._window = None


def _cut_off(missing: int) -> str:
    return f"the shard ends within the record ({counted(missing, 'byte')} missing)"


def scan(stream: BinaryIO, name: str, size: int | None = None) -> Iterator[Record | Damage]:
    """Iterates over a shard, past damage as well: every byte of it is in exactly one of the items.

    Args:
        stream: The shard, at its start; `read(n)` returns fewer than n bytes only at its end.
        name: The shard's name for messages.
        size: Its size in bytes, if it is known: an impossible length is then found before anything is read.
    """
    return iter(Scanner(stream, name, size))


def read_records(stream: BinaryIO, name: str, size: int | None = None) -> Iterator[Record]:
    """Yields a shard's records, both CRCs of each checked; raises the first BadRecord. Arguments as in `scan`."""
    for item in scan(stream, name, size):
        if isinstance(item, Damage):
            with checked_after_damage(stream):
                raise BadRecord(name, item.offset, item.size, item.reason)
        yield item
