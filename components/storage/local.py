"""The backend for local disk: listing, reading and deleting. Writing is in local_writing.py."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, cast

import google_crc32c

from components.core.errors import InputError
from components.storage.local_writing import PARTIAL_SUFFIX, open_write
from components.storage.objects import Changed, ObjectInfo, crc32c_base64

__all__ = [
    "delete",
    "delete_leftovers",
    "delete_tree",
    "exists",
    "file_info",
    "list_objects",
    "open_object",
    "open_read",
    "open_write",
    "stat",
]

_CHUNK_BYTES = 1 << 20


def list_objects(prefix_uri: str) -> list[ObjectInfo]:
    root = Path(prefix_uri)
    paths = (path for path in _below(root) if path.is_file() and path.suffix != PARTIAL_SUFFIX)
    named = sorted((path.relative_to(root).as_posix(), path) for path in paths)
    found = []
    for name, path in named:
        with suppress(FileNotFoundError):  # deleted meanwhile
            found.append(file_info(path, name))
    return found


def _below(root: Path) -> Iterator[Path]:
    """Yields what is no directory; links to directories are not followed."""
    for directory, _, names in os.walk(root, onerror=_unlisted):
        yield from (Path(directory, name) for name in names)


def _unlisted(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):  # deleted meanwhile, or no directory
        advice = "; give yourself the permission to read it" if isinstance(error, PermissionError) else ""
        raise InputError(
            f"cannot read the directory '{os.fsdecode(error.filename)}': {error.strerror}{advice}"
        ) from error


def stat(uri: str) -> ObjectInfo | None:
    path = Path(uri)
    return file_info(path, path.name) if path.is_file() else None


def file_info(path: Path, name: str) -> ObjectInfo:
    """Returns the entry of a file in a listing."""
    found = path.stat()
    return ObjectInfo(str(path), name, found.st_size, str(found.st_mtime_ns), partial(_crc32c, path))


def _crc32c(path: Path) -> str:
    checksum = google_crc32c.Checksum()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                checksum.update(chunk)
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}") from error
    return crc32c_base64(int.from_bytes(checksum.digest(), "big"))


def exists(uri: str) -> bool:
    return Path(uri).exists()


def _open_without_waiting(uri: str, flags: int) -> int:
    return os.open(uri, flags | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would wait for its writer


class _FileReader(io.FileIO):
    """A file without a buffer: a `read` is one system call and no copy."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri, "rb", opener=_open_without_waiting)
        if not S_ISREG(os.fstat(self.fileno()).st_mode):
            self.close()
            raise InputError(f"cannot read '{uri}': it is a pipe or a device, expected a file")
        self._left: int | None = None

    def span(self, start: int, size: int | None) -> None:
        """Reads from byte `start`, and `size` bytes at most."""
        self.seek(start)
        self._left = size

    def read(self, size: int | None = -1, /) -> bytes:
        """Returns `size` bytes, fewer only at the end; all remaining bytes if negative or None."""
        wanted = -1 if size is None else size
        if self._left is not None:
            wanted = self._left if wanted < 0 else min(wanted, self._left)
        data: bytes = super().read(wanted) or b""
        if 0 < len(data) < wanted:  # one call reads at most 2 GiB, on network file systems less
            data = self._rest(data, wanted)
        if self._left is not None:
            self._left -= len(data)
        return data

    def _rest(self, data: bytes, size: int) -> bytes:
        pieces, missing = [data], size - len(data)
        while missing and (piece := super().read(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)


@contextmanager
def open_read(uri: str, generation: str | None, start: int, size: int | None) -> Iterator[BinaryIO]:
    try:
        stream = _FileReader(uri)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise (InputError if generation is None else Changed)(f"there is no file '{uri}'") from error
    except PermissionError as error:
        raise InputError(f"no permission to read '{uri}'") from error
    with stream:
        if start or size is not None:
            stream.span(start, size)
        if generation is None:
            yield cast(BinaryIO, stream)
            return
        opened = os.fstat(stream.fileno())
        if str(opened.st_mtime_ns) != generation:
            raise _changed(uri)
        try:
            yield cast(BinaryIO, stream)
        except (ValueError, LookupError) as error:  # a wrong content may come from a replaced file
            if _is_another(uri, opened):
                raise _changed(uri) from error
            raise
        if _is_another(uri, opened):
            raise _changed(uri)


def open_object(info: ObjectInfo) -> AbstractContextManager[BinaryIO]:
    return open_read(info.uri, info.generation, 0, None)


def _changed(uri: str) -> Changed:
    return Changed(f"'{uri}' was replaced while it was read: it is not the file that was listed; run the command again")


def _is_another(uri: str, opened: os.stat_result) -> bool:
    try:
        now = Path(uri).stat()
    except OSError:
        return True
    return any(getattr(now, key) != getattr(opened, key) for key in ("st_mtime_ns", "st_size", "st_ino", "st_dev"))


def delete(uri: str) -> None:
    Path(uri).unlink(missing_ok=True)


def delete_tree(uri: str) -> None:
    shutil.rmtree(uri, ignore_errors=True)


def delete_leftovers(uri: str) -> None:
    for path in Path(uri).rglob(f".*{PARTIAL_SUFFIX}"):
        path.unlink(missing_ok=True)
