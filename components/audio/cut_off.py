"""Tells whether a sound file was cut off: its header announces more than it holds, or its last page is missing."""

from __future__ import annotations

import os
import re
from pathlib import Path

import soundfile

from components.audio.decoding import UNKNOWN_FRAMES

_LEAST_MISSING_SECONDS = 0.1
# What libsndfile notes of wav, aiff and au (the sound), of w64 and RF64 (the file): bytes that are told, and that are
# there. In a file of several chunks, "RIFF" and "FORM" count those behind the sound as well, which nobody misses.
_TOLD_BYTES = re.compile(
    r"^ *(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)", re.MULTILINE | re.ASCII
)
_UNKNOWN_BYTES = 0x7FFF0000  # what writers of a stream put for a length that they do not know, and more
_PAGE, _PAGE_HEADER_BYTES, _LARGEST_PAGE_BYTES = b"OggS", 27, 65_307
_LAST_PAGE = 0x04


def cut_off(file: soundfile.SoundFile, path: Path, samples: int) -> str:
    """Returns how a file was cut off, one predicate ("ends after 3.0 s, ..."); "" where nothing says that it was.

    Args:
        file: The open file.
        path: The same file.
        samples: Its length as decoded.
    """
    seconds, told = samples / file.samplerate, file.frames
    noted = _TOLD_BYTES.search(file.extra_info)
    if noted and 0 < int(noted[2]) < int(noted[1]) < _UNKNOWN_BYTES:
        told = samples * int(noted[1]) // int(noted[2])
    if told < UNKNOWN_FRAMES and told / file.samplerate - seconds > _LEAST_MISSING_SECONDS:
        told_s = told / file.samplerate
        return f"ends after {seconds:.1f} s, its header says {told_s:.1f} s: it was probably cut off"
    if file.format == "OGG" and not _has_last_page(path):
        return f"ends after {seconds:.1f} s without the page that ends an Ogg file: it was probably cut off"
    return ""


def _has_last_page(path: Path) -> bool:
    """Tells whether an Ogg file (RFC 3533) ends with a whole page that is marked as the last one."""
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        stream.seek(max(0, size - 2 * _LARGEST_PAGE_BYTES))
        end = stream.read()
    at = end.rfind(_PAGE)
    header = end[at : at + _PAGE_HEADER_BYTES]
    if at < 0 or len(header) < _PAGE_HEADER_BYTES or not header[5] & _LAST_PAGE:
        return False
    segments = end[at + _PAGE_HEADER_BYTES :][: header[26]]
    return len(segments) == header[26] and at + _PAGE_HEADER_BYTES + len(segments) + sum(segments) <= len(end)
