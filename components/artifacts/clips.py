"""Clips as files: FLAC to keep, MP3 for pages, and the archive with clips of many held-out notes."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from components import storage
from components.artifacts.training_dir import LISTENING_DIR
from components.audio.program_loudness import matched_gain_db
from components.core.errors import InputError
from components.core.fields import Fields
from components.core.fingerprint import fingerprint
from components.nsynth.note import SAMPLE_RATE_HZ

Array = NDArray[np.floating[Any]]

KINDS = ("original", "resynthesis")
"""The clips of a piece and of a kept note."""
CLIP_SUFFIX = ".flac"
"""Of the names of clips."""
PIECES = ("tune", "phrase", "transfer")
"""The kinds of `Piece`."""
LONGEST_STEM = 120
"""Of a note's part in the names of its files: the parts around it fit into the 255 bytes of a name on a disk."""
_HASH_DIGITS = 12
# A hidden file, a clip of another note by its prefix, or an id with such a hash.
_LIKE_CHANGED = re.compile(rf"\..*|transfer-.*|.*-[0-9a-f]{{{_HASH_DIGITS}}}")
_PIECE_PEAK = 0.5
_KEPT_NAME = "notes.zip"
_MOST_GAIN_DB = 200.0
_LONGEST_CLIP_S = 120
_LARGEST_CLIP_BYTES, _LARGEST_ARCHIVE_BYTES = 1 << 20, 1 << 28
_MP3_QUALITY = 0.3  # about 34 kbit/s: 0.3 to 0.7 dB of log-mel distance, a tenth of a good model's


@dataclass(frozen=True)
class Piece:
    """A longer clip to listen to, without scores.

    Attributes:
        kind: "tune": a tune, played by the family's recorded notes and by the model; "phrase": held-out notes with a
            melody, one after another, and their resyntheses; "transfer": a phrase of another instrument, and its timbre
            transfer.
        clips: FLAC files in LISTENING_DIR by KINDS.
    """

    kind: str
    clips: dict[str, str]

    @classmethod
    def of(cls, fields: Fields) -> Piece:
        """Reads it from evaluation.json."""
        return cls(fields.one_of("kind", PIECES), fields.file_names("clips", CLIP_SUFFIX, KINDS))


@dataclass(frozen=True)
class KeptNote:
    """A held-out note of the archive: its id, and the gain in dB that its clips have there, by KINDS."""

    id: str
    gains_db: dict[str, float]

    @classmethod
    def of(cls, fields: Fields) -> KeptNote:
        """Reads it from evaluation.json."""
        gains_db = {
            kind: fields.required("gains_db").number(kind, low=-_MOST_GAIN_DB, high=_MOST_GAIN_DB) for kind in KINDS
        }
        return cls(fields.text("id"), gains_db)


@dataclass(frozen=True)
class KeptNotes:
    """The archive of level-matched clips of held-out notes: a file in LISTENING_DIR, and its notes in order."""

    file: str
    notes: list[KeptNote]

    @classmethod
    def of(cls, fields: Fields) -> KeptNotes:
        """Reads it from evaluation.json."""
        return cls(fields.file_name("file", ".zip"), fields.each("notes", KeptNote.of))


def stem(note_id: str) -> str:
    """Returns the note's id as a part of a file name, at most LONGEST_STEM characters; no other id has the same.

    An id that had to be changed for that, or that looks like one that was, gets a hash.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", note_id)
    if safe == note_id and 0 < len(safe) <= LONGEST_STEM and not _LIKE_CHANGED.fullmatch(safe):
        return safe
    digest = fingerprint(note_id, _HASH_DIGITS)
    return f"{safe.lstrip('.')[: LONGEST_STEM - 1 - _HASH_DIGITS]}-{digest}"


def encode_flac(audio: Array) -> bytes:
    """Encodes f32[samples] as 16-bit FLAC at 16 kHz, clipped to full scale."""
    stream = io.BytesIO()
    samples = np.round(np.clip(audio, -1.0, 1.0) * 32767).astype(np.int16)
    soundfile.write(stream, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def decode_flac(content: bytes) -> Array:
    """Returns a clip's samples, f32[samples] in -1..1; ValueError if it is none, or lasts longer than any clip."""
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            if (file.format, file.channels, file.samplerate) != ("FLAC", 1, SAMPLE_RATE_HZ):
                raise ValueError(f"it is {file.format} of {file.channels} x {file.samplerate} Hz")
            if not 0 < file.frames <= _LONGEST_CLIP_S * SAMPLE_RATE_HZ:
                raise ValueError(f"it has {file.frames:,} samples")
            return np.asarray(file.read(dtype="float32"))
    except soundfile.SoundFileError as error:
        raise ValueError(" ".join(str(error).split())) from error


def encode_mp3(audio: Array) -> bytes:
    """Encodes f32[samples] at 16 kHz as MP3 of about 34 kbit/s, which every browser plays."""
    stream, samples = io.BytesIO(), np.clip(audio, -1.0, 1.0)
    quality: dict[str, Any] = {"compression_level": _MP3_QUALITY, "bitrate_mode": "VARIABLE"}
    soundfile.write(stream, samples, SAMPLE_RATE_HZ, format="MP3", subtype="MPEG_LAYER_III", **quality)
    return stream.getvalue()


def matched_mp3(audio: Array) -> tuple[bytes, float]:
    """Returns f32[samples] as level-matched MP3 (see audio.program_loudness), and the gain in dB that it got."""
    gain_db = matched_gain_db(np.asarray(audio, np.float32))
    return encode_mp3(audio * np.float32(10 ** (gain_db / 20))), gain_db


def write_piece(out_uri: str, kind: str, original: Array, resynthesis: Array) -> Piece:
    """Writes the clips of a piece, f32[samples] each, with one gain: the original peaks at half of full scale."""
    names, gain = {}, _PIECE_PEAK / max(float(np.abs(original).max()), 1e-4)
    for name, samples in zip(KINDS, (original, resynthesis), strict=True):
        names[name] = f"{kind}.{name}.flac"  # those of a note end in "-<name>.flac"
        storage.write_bytes(storage.join(out_uri, LISTENING_DIR, names[name]), encode_flac(samples * gain))
    return Piece(kind, names)


class KeptWriter:
    """Collects the clips of held-out notes in one archive, as level-matched MP3."""

    def __init__(self) -> None:
        self._stream, self._notes = io.BytesIO(), list[KeptNote]()
        self._archive = zipfile.ZipFile(self._stream, "w", zipfile.ZIP_STORED)

    def add(self, note_id: str, original: Array, resynthesis: Array) -> None:
        """Adds a note: the original and the resynthesis, f32[samples] each."""
        gains_db = {}
        for kind, samples in zip(KINDS, (original, resynthesis), strict=True):
            content, gain_db = matched_mp3(samples)
            gains_db[kind] = round(gain_db, 2)
            # With the same time always, so that the same clips give the same bytes.
            self._archive.writestr(zipfile.ZipInfo(_kept_name(len(self._notes), note_id, kind)), content)
        self._notes.append(KeptNote(note_id, gains_db))

    def write(self, out_uri: str) -> KeptNotes:
        """Writes the archive to a training directory; call it once, last."""
        self._archive.close()
        storage.write_bytes(storage.join(out_uri, LISTENING_DIR, _KEPT_NAME), self._stream.getvalue())
        return KeptNotes(_KEPT_NAME, self._notes)


def read_kept(training_uri: str, kept: KeptNotes) -> dict[str, dict[str, bytes]]:
    """Returns the MP3 files of an archive by note id and kind; InputError where it is damaged."""
    uri = storage.join(training_uri, LISTENING_DIR, kept.file)
    content, found = storage.read_bytes(uri, _LARGEST_ARCHIVE_BYTES), dict[str, dict[str, bytes]]()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for index, note in enumerate(kept.notes):
                names = {kind: _kept_name(index, note.id, kind) for kind in note.gains_db}
                if any(archive.getinfo(name).file_size > _LARGEST_CLIP_BYTES for name in names.values()):
                    raise InputError(f"'{uri}' has a clip of more than {_LARGEST_CLIP_BYTES:,} bytes; evaluate again")
                found[note.id] = {kind: archive.read(name) for kind, name in names.items()}
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError) as error:
        raise InputError(f"'{uri}' is no archive of clips of this evaluation ({error}); evaluate again") from error
    return found


def _kept_name(index: int, note_id: str, kind: str) -> str:
    return f"{index:04d}-{stem(note_id)}-{kind}.mp3"
