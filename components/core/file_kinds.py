"""What a file is that is not what it should be: kinds that come instead of data, told by their first bytes."""

from __future__ import annotations

_CONVERT = "convert it to wav or flac"
_KINDS = (
    (b"\x1f\x8b", "gzip-compressed"),
    (b"BZh", "bzip2-compressed"),
    (b"\xfd7zXZ", "xz-compressed"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed"),
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"MThd", "a MIDI file, which holds notes and no sound"),
    (b"\x1aE\xdf\xa3", f"a Matroska or WebM file ({_CONVERT})"),
    (b"\x30\x26\xb2\x75", f"a Windows Media file ({_CONVERT})"),
    (b"\x00\x05\x16\x07", "a Mac's AppleDouble file, which holds no data"),
    # Downloads that failed.
    (b"version http", "a Git LFS pointer (get the file itself: git lfs pull)"),
    (b"<!doctype", "an HTML page (a download that failed)"),
    (b"<html", "an HTML page (a download that failed)"),
    (b"<?xml", "an XML document (a download that failed)"),
    (b"<error", "an XML document (a download that failed)"),
    (b'{"', "a JSON document (a download that failed)"),
)
_ZEROS = 64  # no audio file and no record starts with so many


def file_kind(start: bytes) -> str:
    """Returns what a file is by its first bytes, 12 or more: "gzip-compressed", "an HTML page (...)"; "" if unknown."""
    if start[4:8] == b"ftyp":
        return f"an MPEG-4 file, as m4a of phones ({_CONVERT})"
    if start[:4] == b"RIFF" and start[8:11] == b"AVI":
        return f"an AVI video ({_CONVERT})"
    if len(start) >= _ZEROS and not any(start):
        return "a file of zeros (a download or a copy that failed)"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for magic, kind in _KINDS:
        if start.startswith(magic) or (magic[:1] in b"<{v" and text.startswith(magic)):
            return kind
    return ""
