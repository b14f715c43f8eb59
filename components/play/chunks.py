"""Chunks of a Standard MIDI file that are no tracks: by its specification a reader skips them; mido refuses them."""

from __future__ import annotations

_HEADER_BYTES = 8  # name and size
_KEPT = (b"MThd", b"MTrk")


def without_other_chunks(content: bytes) -> bytes:
    """Returns a file without the chunks that are neither its header nor a track; all from where no chunk begins on."""
    kept, at = list[bytes](), 0
    while at + _HEADER_BYTES <= len(content):
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + _HEADER_BYTES], "big")
        end = at + _HEADER_BYTES + size
        if end > len(content) or not all(0x20 <= letter < 0x7F for letter in name):
            break
        if name in _KEPT:
            kept.append(content[at:end])
        at = end
    return b"".join([*kept, content[at:]])
