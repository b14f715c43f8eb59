"""The twelve bytes before a TFRecord's payload: its length (u64) and the length's masked CRC, little-endian."""

from __future__ import annotations

import struct

from components.core.text import counted
from components.nsynth.checksum import crc32c, masked

HEADER = struct.Struct("<QI")
CRC = struct.Struct("<I")
FRAMING_BYTES = HEADER.size + CRC.size
# A record of the data set has 272,583 bytes. A far larger length is taken for damage, so no memory is allocated for it.
# The search for the next record after damage holds as many bytes in memory.
LONGEST_PAYLOAD = 64 << 20

LENGTH_BYTES = HEADER.size - CRC.size


def write_header(length: int) -> bytes:
    """Returns the header of a payload of that length."""
    return HEADER.pack(length, masked(crc32c(length.to_bytes(LENGTH_BYTES, "little"))))


def read_header(header: bytes) -> int | str:
    """Returns the payload's length, or what is wrong with the header."""
    if len(header) < HEADER.size:
        return f"the shard ends within a record's header ({counted(len(header), 'byte')})"
    length, length_crc = HEADER.unpack(header)
    if length_crc != masked(crc32c(header[:LENGTH_BYTES])):
        return "the CRC of its length does not match"
    if length > LONGEST_PAYLOAD:
        return f"its length is {length} bytes, expected at most {LONGEST_PAYLOAD}"
    return int(length)
