"""A family's notes from its shards into arrays: read in parallel, checksums verified, decoded once.

Arrays up to a budget are in memory. Larger ones are files on a local disk, mapped to memory: below LUTHIER_STAGE, where
they stay for the next training on the same data, or below the temporary folder, where they stay until a training has
finished, so that one that is started again does not wait for its input again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components import storage
from components.audio.f0 import fill_forward
from components.audio.loudness import LOUDNESS_DEFINITION
from components.core import environment
from components.core.errors import InputError
from components.core.locks import file_lock
from components.nsynth.example import BadExample
from components.nsynth.framing import BadRecord, Damage, Scanner
from components.nsynth.note import NOTE_FRAMES, NOTE_SAMPLES, Note
from components.nsynth.sorted_set import SortedSet
from components.synths.loudness import loudness_db
from components.telemetry import log, progress
from components.train.batch import Sounds
from components.train.checkpoints import no_room_is_one_line

NOTE_BYTES = 4 * (NOTE_SAMPLES + 2 * NOTE_FRAMES)
_LOG = log.get(__name__)
_READERS = 8
_LONGEST_FILL_S = 3600.0  # of another training that fills the same folder
_WIDTHS = {"audio": NOTE_SAMPLES, "f0_hz": NOTE_FRAMES, "loudness_db": NOTE_FRAMES}
_COMPLETE = "complete"
_WORTH_A_BAR = 500  # notes: two seconds
_AT_ONCE = 64  # notes whose loudness is computed together: 16 MB


@dataclass(frozen=True)
class _Part:
    """A shard of one family: `count` records, of which the first is the family's number `first`."""

    uri: str
    first: int
    count: int
    size: int
    crc32c: str


class Stage:
    """Where the notes of one training are. Use as a context manager, around all use of them."""

    def __init__(self, memory_mb: float, title: str = "read the notes", definition: str = LOUDNESS_DEFINITION) -> None:
        """Takes what holds for all notes.

        Args:
            memory_mb: The budget for notes in memory, all together, in megabytes.
            title: Of the progress bar.
            definition: Which loudness the models want; see loudness.loudness_db.
        """
        self._left_bytes, self._title, self._definition = memory_mb * 1e6, title, definition
        self._kept = environment.get(environment.NOTE_CACHE)
        self._root = Path(self._kept or Path(tempfile.gettempdir(), "luthier-stage"))
        self._folders: list[Path] = []

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None and not self._kept:
            for folder in self._folders:
                with _locked(folder):
                    shutil.rmtree(folder, ignore_errors=True)

    def notes(self, data: SortedSet, split: str, family: str, wanted: range | list[int]) -> Sounds:
        """Returns some of a family's notes.

        Args:
            data: The sorted set.
            split: Which of its splits.
            family: Which family.
            wanted: The notes' numbers in the stable order of the split.

        Raises:
            InputError: A shard is not what the manifest says, or a record is not a note.
            StepError: There is no room for them on the disk.
        """
        parts = _parts(data, split, family)
        rows = {number: row for row, number in enumerate(wanted)}
        size = len(rows) * NOTE_BYTES
        if size <= self._left_bytes:
            self._left_bytes -= size
            sounds = Sounds(**{name: np.empty([len(rows), width], np.float32) for name, width in _WIDTHS.items()})
            self._fill(sounds, parts, rows)
            return sounds
        key = f"{data.fingerprint(split)}-{split}-{family}-{len(rows)}-{self._definition}"
        with no_room_is_one_line(f"cannot stage {len(rows)} notes ({size / 1e6:,.0f} MB) in '{self._root}'"):
            return self._mapped(key, len(rows), lambda sounds: self._fill(sounds, parts, rows))

    def _fill(self, sounds: Sounds, parts: list[_Part], rows: dict[int, int]) -> None:
        """Fills the arrays' rows, given by the notes' numbers, from the shards that have any of them."""
        needed = [part for part in parts if any(part.first + i in rows for i in range(part.count))]
        stopped = threading.Event()
        with ThreadPoolExecutor(_READERS) as pool, self._bar(len(rows)) as bar:
            reads = [pool.submit(_read, sounds, part, rows, self._definition, stopped) for part in needed]
            try:
                for read in as_completed(reads):
                    count = read.result()
                    if bar:
                        bar.advance(count)
            finally:
                stopped.set()
                pool.shutdown(cancel_futures=True)

    def _bar(self, count: int) -> AbstractContextManager[progress.Bar | None]:
        return progress.bar(self._title, count, "notes") if count > _WORTH_A_BAR else nullcontext()

    def _mapped(self, key: str, count: int, fill: Callable[[Sounds], None]) -> Sounds:
        folder = self._root / key
        self._root.mkdir(parents=True, exist_ok=True)
        self._folders.append(folder)
        with _locked(folder):
            folder.mkdir(exist_ok=True)
            if (folder / _COMPLETE).exists():
                _LOG.info("the notes are in '%s' already", folder)
                return _map(folder, count, "r")
            _make_room(folder, count)
            sounds = _map(folder, count, "r+")
            fill(sounds)
            for array in (sounds.audio, sounds.f0_hz, sounds.loudness_db):
                array.flush()  # type: ignore[attr-defined]  # a np.memmap
            (folder / _COMPLETE).touch()
        return sounds


def _make_room(folder: Path, count: int) -> None:
    """Makes the files and takes their room: a disk that is full later would kill the process that writes to a map."""
    for name, width in _WIDTHS.items():
        with (folder / name).open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, 4 * count * width)


def _map(folder: Path, count: int, mode: str) -> Sounds:
    arrays = {
        name: np.memmap(folder / name, np.float32, mode, shape=(count, width))  # type: ignore[call-overload]
        for name, width in _WIDTHS.items()
    }
    return Sounds(**arrays)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lets one process at a time fill or remove a folder; the kernel frees the lock of one that dies."""
    with file_lock(folder.with_suffix(".lock"), _LONGEST_FILL_S):
        yield


def _parts(data: SortedSet, split: str, family: str) -> list[_Part]:
    parts, first = [], 0
    for entry in data.manifests[split]["objects"]:
        if entry["group"] == family:
            uri = storage.join(data.uri, split, entry["name"])
            parts.append(_Part(uri, first, entry["records"], entry["bytes"], entry["crc32c"]))
            first += entry["records"]
    return parts


def _read(sounds: Sounds, part: _Part, rows: dict[int, int], definition: str, stopped: threading.Event) -> int:
    """Reads one shard to its end, checks it, and returns how many of its notes were wanted."""
    filled: list[int] = []
    with storage.open_read(part.uri) as stream:
        scanner = Scanner(stream, part.uri, part.size)
        for number, item in enumerate(scanner, part.first):
            if stopped.is_set():
                return len(filled)
            if isinstance(item, Damage):
                raise BadRecord(part.uri, item.offset, item.size, item.reason)
            if number in rows:
                filled.append(rows[number])
                _put(sounds, rows[number], item.payload, part.uri)
    if scanner.records != part.count:
        raise InputError(f"'{part.uri}' has {scanner.records} records, its manifest says {part.count}; sort again")
    if storage.crc32c_base64(scanner.crc32c) != part.crc32c:
        raise InputError(f"'{part.uri}' is not what its manifest says: its checksum is another one; sort again")
    for start in range(0, len(filled), _AT_ONCE):
        some = filled[start : start + _AT_ONCE]
        sounds.loudness_db[some] = loudness_db(sounds.audio[some], definition)
    return len(filled)


def _put(sounds: Sounds, row: int, payload: bytes, uri: str) -> None:
    try:
        note = Note.decode(payload)
    except BadExample as error:
        raise InputError(f"a record in '{uri}' is not a note: {error}") from error
    if not np.isfinite(note.audio).all():
        raise InputError(f"the note '{note.id}' in '{uri}' has samples that are no numbers; leave it out of the set")
    sounds.audio[row] = note.audio
    sounds.f0_hz[row] = fill_forward(note.f0_hz[None])[0]
