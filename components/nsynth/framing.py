"""TFRecord framing: length (u64), its CRC, the payload, its CRC; all little-endian, CRCs masked.

Format: tensorflow/core/lib/io/record_writer.h and its masking in tensorflow/core/lib/hash/crc32c.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import google_crc32c

from components.errors import InputError

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_HEADER_BYTES = _LENGTH.size + _CRC.size
FRAMING_BYTES = _HEADER_BYTES + _CRC.size
_MASK_DELTA = 0xA282EAD8
_LONGEST_PAYLOAD = (1 << 31) - 1  # a protocol buffer's limit: more than that is a damaged length


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a shard.

    Attributes:
        offset: Where its frame starts in the shard, in bytes.
        payload: The serialised tf.train.Example.
        framed: The frame as it stands in the shard, payload included.
    """

    offset: int
    payload: bytes
    framed: bytes


class BadRecord(InputError):  # noqa: N818 (reads as what it is)
    """A record that cannot be used.

    Attributes:
        shard: The shard's name.
        offset: Where the record starts, in bytes.
        reason: What is wrong with it.
        framed: Its bytes as they stand in the shard. After a damaged length: all the rest of the shard.
    """

    def __init__(self, shard: str, offset: int, reason: str, framed: bytes) -> None:
        super().__init__(f"bad record in '{shard}' at byte {offset}: {reason}")
        self.shard, self.offset, self.reason, self.framed = shard, offset, reason, framed


def _masked_crc(data: bytes) -> int:
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def frame(payload: bytes) -> bytes:
    """Returns the payload as a record of a TFRecord file."""
    length = _LENGTH.pack(len(payload))
    return b"".join((length, _CRC.pack(_masked_crc(length)), payload, _CRC.pack(_masked_crc(payload))))


def scan(stream: BinaryIO, name: str) -> Iterator[Record | BadRecord]:
    """Walks a shard and goes on after damage: every byte of it is in exactly one of the yielded items.

    Args:
        stream: The shard, at its start; buffered (`read(n)` gives less than n bytes at the end alone).
        name: The shard's name for messages.
    """
    offset = 0
    while header := stream.read(_HEADER_BYTES):
        item = _next(stream, name, offset, header)
        yield item
        offset += len(item.framed)


def _next(stream: BinaryIO, name: str, offset: int, header: bytes) -> Record | BadRecord:
    if len(header) < _HEADER_BYTES:
        return BadRecord(name, offset, f"the shard ends within a record's header ({len(header)} bytes)", header)
    (length,), (length_crc,) = _LENGTH.unpack_from(header), _CRC.unpack_from(header, _LENGTH.size)
    if length_crc != _masked_crc(header[: _LENGTH.size]) or length > _LONGEST_PAYLOAD:
        # Where the next record starts is unknown from here on.
        return BadRecord(name, offset, "the CRC of its length does not match", header + stream.read())
    body = stream.read(length + _CRC.size)
    framed = header + body
    if len(body) < length + _CRC.size:
        missing = length + _CRC.size - len(body)
        return BadRecord(name, offset, f"the shard ends within the record ({missing} bytes are missing)", framed)
    payload = body[:length]
    if _CRC.unpack_from(body, length)[0] != _masked_crc(payload):
        return BadRecord(name, offset, "the CRC of its payload does not match", framed)
    return Record(offset, payload, framed)


def read_records(stream: BinaryIO, name: str) -> Iterator[Record]:
    """Yields a shard's records, both CRCs of each checked; raises the first BadRecord. Arguments as of `scan`."""
    for item in scan(stream, name):
        if isinstance(item, BadRecord):
            raise item
        yield item
