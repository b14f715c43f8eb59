"""MIDI files in RIFF, the container of Windows (.rmi): the Standard MIDI file in their `data` chunk."""

from __future__ import annotations

_HEADER_BYTES, _CHUNK_HEADER_BYTES = 12, 8


def unwrapped(content: bytes) -> bytes:
    """Returns the Standard MIDI file of a RIFF file of the form RMID; other content, and one that is cut, as it is."""
    if content[:4] != b"RIFF" or content[8:_HEADER_BYTES] != b"RMID":
        return content
    at = _HEADER_BYTES
    while at + _CHUNK_HEADER_BYTES <= len(content):
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + _CHUNK_HEADER_BYTES], "little")
        at += _CHUNK_HEADER_BYTES
        if name == b"data":
            return content[at : at + size]
        at += size + size % 2  # chunks begin at even bytes
    return content
