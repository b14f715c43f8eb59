"""Note cache: the notes of a family as arrays, read from its shards in parallel, verified and decoded once.

Arrays up to a budget are in memory. Larger ones are files on a local disk, mapped to memory: below LUTHIER_STAGE, where
they stay for the next training on the same data, or below the temporary directory, where they stay until a training has
finished, so that a restarted one does not read its input again.
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
from components.audio.loudness import LOUDNESS_DEFINITION, loudness_db
from components.core import environment
from components.core.errors import InputError
from components.core.locks import file_lock
from components.core.text import counted
from components.nsynth.example import BadExample
from components.nsynth.framing import BadRecord, Damage, Scanner, checked_after_damage
from components.nsynth.note import NOTE_FRAMES, NOTE_SAMPLES, FloatArray, Note
from components.nsynth.note_checks import check_note
from components.nsynth.sorted_set import SortedSet
from components.telemetry import log, progress
from components.train.checkpoints import disk_full_as_step_error
from components.train.dataset import NOTE_BYTES, Batch

_LOG = log.get(__name__)
_READERS = 8
_MAX_FILL_S = 3600.0  # of another training that fills the same directory
_WIDTHS = {"audio": NOTE_SAMPLES, "f0_hz": NOTE_FRAMES, "loudness_db": NOTE_FRAMES, "labels": 2}
_COMPLETE = "complete"
_MIN_NOTES_FOR_BAR = 500  # two seconds
_LOUDNESS_NOTES = 64  # notes whose loudness is computed together: 16 MB


@dataclass(frozen=True)
class _Part:
    """A shard of one family: `count` records, of which the first is the family's number `first`."""

    uri: str
    first: int
    count: int
    size: int
    crc32c: str


class NoteCache:
    """The notes of one training. A context manager: the arrays are valid inside its block."""

    def __init__(self, memory_mb: float, title: str = "read the notes", definition: str = LOUDNESS_DEFINITION) -> None:
        """Opens the cache; reads nothing yet.

        Args:
            memory_mb: How many megabytes of notes to keep in memory at most.
            title: Of the progress bar.
            definition: The loudness definition of the models.
        """
        self._budget_bytes, self._title, self._definition = memory_mb * 1e6, title, definition
        self._persistent = environment.get(environment.NOTE_CACHE)
        self._root_path = Path(self._persistent or Path(tempfile.gettempdir(), "luthier-stage"))
        self._directorys: list[Path] = []

    def __enter__(self) -> NoteCache:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None and not self._persistent:
            for directory in self._directorys:
                with _locked(directory):
                    shutil.rmtree(directory, ignore_errors=True)

    def loudness(self, audio: FloatArray) -> FloatArray:
        """Returns the loudness of sounds by the definition of the models; see loudness.loudness_db."""
        return loudness_db(audio, self._definition)

    def notes(self, data: SortedSet, split: str, family: str, wanted: range | list[int]) -> Batch:
        """Returns some of a family's notes.

        Args:
            data: The sorted set.
            split: Which of its splits.
            family: Which family.
            wanted: The notes' numbers in the stable order of the split.

        Raises:
            InputError: A shard is not what the manifest says, or a record is not a note.
            StepError: The disk is full.
        """
        parts = _parts(data, split, family)
        rows = {number: row for row, number in enumerate(wanted)}
        size = len(rows) * NOTE_BYTES
        if size <= self._budget_bytes:
            self._budget_bytes -= size
            batch = Batch(**{name: np.empty([len(rows), width], np.float32) for name, width in _WIDTHS.items()})
            self._fill(batch, parts, rows)
            return batch
        key = f"{data.fingerprint(split)}-{split}-{family}-{len(rows)}-{self._definition}-labels"
        with disk_full_as_step_error(
            f"cannot cache {counted(len(rows), 'note')} ({size / 1e6:,.0f} MB) in '{self._root_path}'"
        ):
            return self._mapped(key, len(rows), lambda batch: self._fill(batch, parts, rows))

    def _fill(self, batch: Batch, parts: list[_Part], rows: dict[int, int]) -> None:
        """Fills the arrays' rows, given by the notes' numbers, from the shards that have any of them."""
        needed = [part for part in parts if any(part.first + i in rows for i in range(part.count))]
        stopped = threading.Event()
        with ThreadPoolExecutor(_READERS) as pool, self._bar(len(rows)) as bar:
            reads = [pool.submit(_read, batch, part, rows, self._definition, stopped) for part in needed]
            try:
                for read in as_completed(reads):
                    count = read.result()
                    if bar:
                        bar.advance(count)
            finally:
                stopped.set()
                pool.shutdown(cancel_futures=True)

    def _bar(self, count: int) -> AbstractContextManager[progress.Bar | None]:
        return progress.bar(self._title, count, "notes") if count > _MIN_NOTES_FOR_BAR else nullcontext()

    def _mapped(self, key: str, count: int, fill: Callable[[Batch], None]) -> Batch:
        directory = self._root_path / key
        self._root_path.mkdir(parents=True, exist_ok=True)
        self._directorys.append(directory)
        with _locked(directory):
            directory.mkdir(exist_ok=True)
            if (directory / _COMPLETE).exists():
                _LOG.info("the notes are in the cache '%s' already", directory)
                return _map(directory, count, "r")
            _allocate(directory, count)
            batch = _map(directory, count, "r+")
            fill(batch)
            for array in (batch.audio, batch.f0_hz, batch.loudness_db, batch.labels):
                array.flush()  # type: ignore[union-attr]  # a np.memmap
            (directory / _COMPLETE).touch()
        return batch


def _allocate(directory: Path, count: int) -> None:
    """Allocates the files: a disk that is full later would kill the process, which writes to them by mapped memory."""
    for name, width in _WIDTHS.items():
        with (directory / name).open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, 4 * count * width)


def _map(directory: Path, count: int, mode: str) -> Batch:
    arrays = {
        name: np.memmap(directory / name, np.float32, mode, shape=(count, width))  # type: ignore[call-overload]
        for name, width in _WIDTHS.items()
    }
    return Batch(**arrays)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Holds the lock of a directory while it is filled or removed; the kernel frees the lock of a process that dies."""
    with file_lock(directory.with_suffix(".lock"), _MAX_FILL_S):
        yield


def _parts(data: SortedSet, split: str, family: str) -> list[_Part]:
    parts, first = [], 0
    for entry in data.manifests[split]["objects"]:
        if entry["group"] == family:
            uri = storage.join(data.uri, split, entry["name"])
            parts.append(_Part(uri, first, entry["records"], entry["bytes"], entry["crc32c"]))
            first += entry["records"]
    return parts


def _read(batch: Batch, part: _Part, rows: dict[int, int], definition: str, stopped: threading.Event) -> int:
    """Reads one shard to its end, checks it, and returns how many of its notes were wanted."""
    filled: list[int] = []
    with storage.open_read(part.uri) as stream, checked_after_damage(stream):
        scanner = Scanner(stream, part.uri, part.size)
        for number, item in enumerate(scanner, part.first):
            if stopped.is_set():
                return len(filled)
            if isinstance(item, Damage):
                raise BadRecord(part.uri, item.offset, item.size, item.reason)
            if number in rows:
                filled.append(rows[number])
                _put(batch, rows[number], item.payload, part.uri)
    if scanner.records != part.count:
        raise InputError(
            f"'{part.uri}' has {counted(scanner.records, 'record')}, its manifest says {part.count:,}; sort again"
        )
    if storage.crc32c_base64(scanner.crc32c) != part.crc32c:
        raise InputError(f"'{part.uri}' is not what its manifest says: its checksum differs; sort again")
    for start in range(0, len(filled), _LOUDNESS_NOTES):
        some = filled[start : start + _LOUDNESS_NOTES]
        batch.loudness_db[some] = loudness_db(batch.audio[some], definition)
    return len(filled)


def _put(batch: Batch, row: int, payload: bytes, uri: str) -> None:
    try:
        note = Note.decode(payload)
    except BadExample as error:
        raise InputError(f"a record in '{uri}' is not a note: {error}") from error
    check_note(note, uri)
    assert batch.labels is not None, "the cache makes them"
    batch.labels[row] = note.pitch, note.velocity
    batch.audio[row] = note.audio
    batch.f0_hz[row] = fill_forward(note.f0_hz[None])[0]
