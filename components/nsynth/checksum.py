"""CRC32C of joined pieces from the CRCs of the pieces, so that no byte is read twice.

A CRC is linear over GF(2): n more bytes after a message multiply its CRC by x^(8n) modulo the polynomial, which is a
matrix of 32 by 32 bits. Method: Mark Adler's crc32_combine in zlib; here with four tables of 256 entries for a matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import google_crc32c

# The CRC32C of some bytes; that of a message and some more bytes, from the message's CRC.
crc32c: Callable[[bytes], int] = google_crc32c.value
extend: Callable[[int, bytes], int] = google_crc32c.extend

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, least significant bit first
_MASK_DELTA = 0xA282EAD8
# The records of a data set have few lengths. A length that is used often gets its own table, for 0.3 ms and 40 KB.
_USES_OF_A_TABLE = 32
_MOST_TABLES = 256
_MOST_COUNTED = 4096

_Table: TypeAlias = tuple[list[int], list[int], list[int], list[int]]

_power_tables: list[_Table] = []  # [k]: appending 2^k bytes
_length_tables: dict[int, _Table] = {}
_uses: dict[int, int] = {}


def masked(crc: int) -> int:
    """Returns a CRC as TFRecords store it (tensorflow/core/lib/hash/crc32c.h)."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def combine(first: int, second: int, second_bytes: int) -> int:
    """Returns the CRC32C of two pieces, one after the other.

    Args:
        first: The CRC of the first piece.
        second: The CRC of the second.
        second_bytes: The length of the second.
    """
    table = _length_tables.get(second_bytes)
    if table is None:
        table = _table_of(second_bytes)
        if table is None:
            return _append_zeros(first, second_bytes) ^ second
    low, middle, high, highest = table
    return low[first & 255] ^ middle[first >> 8 & 255] ^ high[first >> 16 & 255] ^ highest[first >> 24] ^ second


def _table_of(length: int) -> _Table | None:
    """Returns a length's table, which is made once the length has been used often enough."""
    if len(_uses) >= _MOST_COUNTED:
        _uses.clear()
    _uses[length] = uses = _uses.get(length, 0) + 1
    if uses < _USES_OF_A_TABLE:
        return None
    if len(_length_tables) >= _MOST_TABLES:
        _length_tables.clear()
    _length_tables[length] = table = _table([_append_zeros(1 << bit, length) for bit in range(32)])
    return table


def _append_zeros(crc: int, count: int) -> int:
    """Multiplies by x^(8 * count), one power of two after the other."""
    power = 0
    while count >> power:
        if count >> power & 1:
            crc = _apply(_power_table(power), crc)
        power += 1
    return crc


def _power_table(power: int) -> _Table:
    while len(_power_tables) <= power:
        if not _power_tables:
            _power_tables.append(_table([_append_one(1 << bit) for bit in range(32)]))
        else:
            half = _power_tables[-1]
            _power_tables.append(_table([_apply(half, _apply(half, 1 << bit)) for bit in range(32)]))
    return _power_tables[power]


def _append_one(crc: int) -> int:
    for _ in range(8):
        crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc


def _apply(table: _Table, crc: int) -> int:
    low, middle, high, highest = table
    return low[crc & 255] ^ middle[crc >> 8 & 255] ^ high[crc >> 16 & 255] ^ highest[crc >> 24]


def _table(images: list[int]) -> _Table:
    """Returns the tables of a matrix, one for each byte of its argument, from the images of the 32 bits."""
    low, middle, high, highest = (_byte_table(images[first : first + 8]) for first in range(0, 32, 8))
    return low, middle, high, highest


def _byte_table(images: list[int]) -> list[int]:
    table = [0]
    for image in images:
        table += [entry ^ image for entry in table]
    return table
