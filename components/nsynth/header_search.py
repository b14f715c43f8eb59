"""Finds the headers of records after damage, where no length says at which byte the next record starts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.nsynth.checksum import crc32c, masked
from components.nsynth.header import LENGTH_BYTES, LONGEST_PAYLOAD

_CRC_OF_ZERO = crc32c(bytes(LENGTH_BYTES))
# A CRC is linear except for its start value: that of a length is that of zero, XORed with one term for each byte.
_CHANGES = np.array(
    [[crc32c((value << 8 * byte).to_bytes(8, "little")) ^ _CRC_OF_ZERO for value in range(256)] for byte in range(4)],
    np.uint32,
)


def find_headers(data: bytes) -> list[int]:
    """Returns, in order, every position at which `read_header` would return a length."""
    found = [_aligned_headers(data, first) for first in range(4)]
    return sorted(position for positions in found for position in positions)


def _aligned_headers(data: bytes, first: int) -> list[int]:
    """Returns those of the positions first, first + 4, first + 8, ..."""
    aligned = data[first : len(data) - (len(data) - first) % 4]  # a copy, with which numpy is far faster
    words = np.frombuffer(aligned, "<u4")
    if len(words) < 3:
        return []
    # Three consecutive words: the length's lower half, its upper half, its CRC. The first test leaves very few, except
    # in zeros (digital silence): those are lengths of zero, whose only CRC is known.
    low, high, crc = words[:-2], words[1:-1], words[2:]
    likely = high == 0
    if likely.any():
        likely &= (low <= LONGEST_PAYLOAD) & ((low != 0) | (crc == masked(_CRC_OF_ZERO)))
    index = np.flatnonzero(likely)
    index = index[_masked_crcs(low[index]) == crc[index]]
    return [int(position) for position in first + 4 * index]


def _masked_crcs(lengths: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    crcs = np.full_like(lengths, _CRC_OF_ZERO)
    for byte in range(4):
        crcs ^= _CHANGES[byte][lengths >> np.uint32(8 * byte) & np.uint32(255)]
    return (crcs >> np.uint32(15) | crcs << np.uint32(17)) + np.uint32(0xA282EAD8)
