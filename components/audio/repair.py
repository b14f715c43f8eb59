"""Lengths that the headers of sound files lack, or lie about: corrected while the file is read, never in the file.

libsndfile believes what a header says. A WAV file whose recorder lost power says that it has no samples. An MP3 that
was cut or streamed has no frame that tells its length: libsndfile then guesses it from the first frames, and reads no
further (libsndfile issue 1001). Files that were joined tell the length of the first.
"""

from __future__ import annotations

import io
import mmap
import os
import struct
from collections.abc import Mapping
from typing import BinaryIO

_LARGEST_CHUNK_BYTES = 0xFFFFFFFF
_ID3_HEADER_BYTES = 10
_MAX_JUNK_BYTES = 1 << 20  # between two frames of an MP3
# kbit/s of layer III by version (MPEG-1; MPEG-2 and 2.5), ISO 11172-3 and 13818-3.
_KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ = (44_100, 48_000, 32_000)


class PatchedFile(io.RawIOBase):
    """A file with other bytes at some places, and bytes before a part of it; libsndfile reads it like a file."""

    def __init__(
        self, stream: BinaryIO, start: int = 0, before: bytes = b"", patches: Mapping[int, bytes] | None = None
    ) -> None:
        """Args: the file; its first byte to take; what to put before that; other bytes by their position."""
        self._stream, self._start, self._before, self._patches = stream, start, before, dict(patches or {})
        self._size = len(before) + os.fstat(stream.fileno()).st_size - start
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _read(self, size: int) -> bytes:
        if self._position < len(self._before):
            return self._before[self._position : self._position + size]
        at = self._position - len(self._before) + self._start
        self._stream.seek(at)
        data = bytearray(self._stream.read(size))
        for position, patch in self._patches.items():
            for index, value in enumerate(patch, position - at):
                if 0 <= index < len(data):
                    data[index] = value
        return bytes(data)


def wav_with_length(stream: BinaryIO) -> PatchedFile | None:
    """Returns a WAV file that is said to have no samples with its true length; None for other files."""
    size = os.fstat(stream.fileno()).st_size
    stream.seek(0)
    header = stream.read(12)
    if header[:4] not in (b"RIFF", b"RIFX") or header[8:] != b"WAVE":
        return None
    number = "<I" if header[:4] == b"RIFF" else ">I"
    position = 12
    while position + 8 < size:
        stream.seek(position)
        chunk, length = stream.read(4), struct.unpack(number, stream.read(4))[0]
        position += 8
        if chunk == b"data":
            if length:
                return None
            told = min(size - position, _LARGEST_CHUNK_BYTES - position)
            lengths = {4: struct.pack(number, position + told - 8), position - 4: struct.pack(number, told)}
            return PatchedFile(stream, patches=lengths)
        position += length + length % 2
    return None


def mp3_with_length(stream: BinaryIO) -> PatchedFile | None:
    """Returns an MP3 that tells no length, or too small a one, with a frame that tells it; None for other files.

    The frame is the "Info" frame of the Xing convention, which decoders skip. The number of frames is counted.
    """
    size = os.fstat(stream.fileno()).st_size
    if not size:
        return None
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        first = _first_frame(data)
        header = first is not None and _frame(data, first)
        if first is None or not header:
            return None
        _, rate_index, version, channels = header
        told = _told_frames(data, first)
        start = first if told is None else first + header[0]
        count = _count_frames(data, start)
        if not count or (told is not None and told >= count - 2):
            return None
    return PatchedFile(stream, start, _info_frame(rate_index, version, channels, count))


def _first_frame(data: mmap.mmap) -> int | None:
    """Returns the position of the first frame that another one follows, behind all ID3 tags."""
    position = 0
    while data[position : position + 3] == b"ID3" and position + _ID3_HEADER_BYTES <= len(data):
        size = 0
        for byte in data[position + 6 : position + 10]:
            size = size << 7 | byte & 0x7F
        position += _ID3_HEADER_BYTES + size
    return _next_frame(data, position)


def _next_frame(data: mmap.mmap, position: int) -> int | None:
    end = min(len(data), position + _MAX_JUNK_BYTES)
    while (position := data.find(b"\xff", position, end)) >= 0:
        found = _frame(data, position)
        if found and _frame(data, position + found[0]):
            return position
        position += 1
    return None


def _frame(data: mmap.mmap, position: int) -> tuple[int, int, int, int] | None:
    """Returns length in bytes, index of the rate, version and channels of a layer III frame; None where there is none.

    The version is the header's: 3 for MPEG-1, 2 for MPEG-2, 0 for MPEG-2.5.
    """
    if position + 4 > len(data):
        return None
    sync, second, third, fourth = data[position : position + 4]
    version, layer = second >> 3 & 3, second >> 1 & 3
    bitrate, rate_index = third >> 4, third >> 2 & 3
    if sync != 0xFF or second < 0xE0 or version == 1 or layer != 1 or bitrate in (0, 15) or rate_index == 3:
        return None
    kbits = (_KBITS_1 if version == 3 else _KBITS_2)[bitrate]
    rate_hz = _RATES_HZ[rate_index] // {3: 1, 2: 2, 0: 4}[version]
    samples = 1152 if version == 3 else 576
    return samples // 8 * kbits * 1000 // rate_hz + (third >> 1 & 1), rate_index, version, 1 if fourth >> 6 == 3 else 2


def _count_frames(data: mmap.mmap, position: int) -> int:
    count = 0
    while position < len(data):
        found = _frame(data, position)
        if found:
            count += 1
            position += found[0]
            continue
        behind = _next_frame(data, position)  # a tag, or damage
        if behind is None:
            break
        position = behind
    return count


def _side_bytes(version: int, channels: int) -> int:
    if version == 3:
        return 17 if channels == 1 else 32
    return 9 if channels == 1 else 17


def _told_frames(data: mmap.mmap, position: int) -> int | None:
    """Returns how many frames the first one says that there are; None where it does not say so."""
    found = _frame(data, position)
    assert found is not None, "the first frame was found before"
    tag = position + 4 + _side_bytes(found[2], found[3])
    if data[tag : tag + 4] in (b"Xing", b"Info"):
        flags, count = struct.unpack(">II", data[tag + 4 : tag + 12])
        return count if flags & 1 else 0
    if data[position + 36 : position + 40] == b"VBRI":
        return int(struct.unpack(">I", data[position + 50 : position + 54])[0])
    return None


def _info_frame(rate_index: int, version: int, channels: int, count: int) -> bytes:
    """Returns a silent frame that says how many frames follow."""
    third = 0x90 | rate_index << 2  # 128 kbit/s, MPEG-2: 80 kbit/s
    header = bytes([0xFF, 0xE3 | version << 3, third, 0xC0 if channels == 1 else 0x00])
    samples, kbits = (1152, 128) if version == 3 else (576, 80)
    rate_hz = _RATES_HZ[rate_index] // {3: 1, 2: 2, 0: 4}[version]
    length = samples // 8 * kbits * 1000 // rate_hz
    body = header + bytes(_side_bytes(version, channels)) + b"Info" + struct.pack(">II", 1, count)
    return body.ljust(length, b"\0")
