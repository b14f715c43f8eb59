"""Writing on local disk: to a partial file in the same directory, flushed to the disk, then renamed."""

from __future__ import annotations

import ctypes
import errno
import io
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast

from components.core.errors import write_error
from components.core.locks import directory_lock
from components.storage.objects import Conflict

# Of the file that a writer has not finished: never listed, deleted by delete_tree and delete_leftovers.
PARTIAL_SUFFIX = ".partial"

_FIRST_ALLOCATION_BYTES = 1 << 20
_LARGEST_ALLOCATION_BYTES = 64 << 20
_WRITE_BACK_BYTES = 8 << 20
_KEEP_SIZE = 1  # of fallocate: the file's size stays that of its content
_SYNC_FILE_RANGE_WRITE = 2
_PIECES_PER_CALL = 1024  # IOV_MAX of Linux
_IN_MEMORY = {0x01021994, 0x858458F6}  # statfs's f_type of tmpfs and ramfs, where allocating is filling with zeros
# What file systems without hard links answer to link().
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EXDEV}


@contextmanager
def open_write(uri: str, if_generation_match: str | None, chunk_bytes: int) -> Iterator[BinaryIO]:
    path = Path(uri)
    if if_generation_match == "0" and path.exists():
        raise Conflict(f"cannot create '{uri}': it exists already")
    partial_path = path.with_name(f".{path.name}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}")
    with _naming(uri):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = _FileWriter(uri, os.open(partial_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    try:
        with stream:
            yield cast(BinaryIO, stream)
            stream.finish()
        with _naming(uri):
            _commit(partial_path, path, if_generation_match)
    except BaseException:
        partial_path.unlink(missing_ok=True)
        raise


@contextmanager
def _naming(uri: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise write_error(uri, error) from error


class _FileWriter(io.RawIOBase):
    """Writes a new file front to back, as fast as a copy: no buffer, blocks allocated ahead of the data."""

    def __init__(self, uri: str, descriptor: int) -> None:
        super().__init__()
        self._uri, self._descriptor = uri, descriptor
        self._written = self._allocated = self._written_back = 0
        self._step = _FIRST_ALLOCATION_BYTES if _allocating_pays(self._descriptor) else 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: Any) -> int:
        """Writes all of `data`; returns its bytes."""
        with memoryview(data) as view:
            size = view.nbytes
        self._write([data], size)
        return size

    def writelines(self, lines: Iterable[Any]) -> None:
        """Writes all pieces with few system calls, without joining them."""
        pieces = list(lines)
        for start in range(0, len(pieces), _PIECES_PER_CALL):
            some = pieces[start : start + _PIECES_PER_CALL]
            self._write(some, sum(map(len, some)))

    def _write(self, pieces: list[Any], size: int) -> None:
        if self._written + size > self._allocated and self._step:
            self._allocate(size)
        try:
            done = os.writev(self._descriptor, pieces)
            while done < size:  # a signal, or a disk that is nearly full
                rest = memoryview(b"".join(pieces))[done:]
                done += os.write(self._descriptor, rest)
        except OSError as error:
            raise write_error(self._uri, error) from error
        self._written += size
        if self._written - self._written_back >= _WRITE_BACK_BYTES:
            self._start_write_back()

    def _allocate(self, size: int) -> None:
        wanted = max(self._step, size)
        if _libc().fallocate(self._descriptor, _KEEP_SIZE, _offset(self._written), _offset(wanted)) != 0:
            self._step = 0  # not on this file system, or not enough free space, which a write will report
            return
        self._allocated = self._written + wanted
        self._step = min(2 * self._step, _LARGEST_ALLOCATION_BYTES)

    def _start_write_back(self) -> None:
        # Only a hint: the disk works while the copy goes on, and fsync at the end has less to wait for.
        size = self._written - self._written_back
        _libc().sync_file_range(
            self._descriptor, _offset(self._written_back), _offset(size), ctypes.c_uint(_SYNC_FILE_RANGE_WRITE)
        )
        self._written_back = self._written

    def finish(self) -> None:
        """Frees the allocated space that is not used and waits until the file is on the disk."""
        with _naming(self._uri):
            if self._allocated:
                os.ftruncate(self._descriptor, self._written)
            os.fsync(self._descriptor)

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._descriptor)


_offset = ctypes.c_int64
_CALLS = ("fallocate", "fstatfs", "sync_file_range")


class _NoCalls:
    """Replaces a C library without these calls (not Linux)."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: -1


@cache
def _libc() -> Any:
    library = ctypes.CDLL(None)
    return library if all(hasattr(library, name) for name in _CALLS) else _NoCalls()


def _allocating_pays(descriptor: int) -> bool:
    """Tells whether the file is on a disk, where allocating ahead is worth a system call."""
    answer = (ctypes.c_long * 32)()  # longer than struct statfs, which begins with f_type
    return _libc().fstatfs(descriptor, answer) == 0 and answer[0] not in _IN_MEMORY


def _commit(partial_path: Path, path: Path, if_generation_match: str | None) -> None:
    # Locked so that no other writer replaces the file between the comparison and the renaming.
    with directory_lock(path.parent) as directory:
        if if_generation_match == "0":
            _link(partial_path, path)
        else:
            _replace(partial_path, path, if_generation_match)
        os.fsync(directory)  # the new name is on the disk only when the directory is


def _link(partial_path: Path, path: Path) -> None:
    """Gives the file its name if no file has it."""
    try:
        os.link(partial_path, path)
    except FileExistsError:
        raise Conflict(f"cannot create '{path}': it exists already") from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise Conflict(f"cannot create '{path}': it exists already") from None
        partial_path.rename(path)
    else:
        partial_path.unlink()


def _replace(partial_path: Path, path: Path, if_generation_match: str | None) -> None:
    try:
        before = path.stat().st_mtime_ns
    except FileNotFoundError:
        before = 0
    if if_generation_match is not None and str(before) != if_generation_match:
        raise Conflict(f"cannot replace '{path}': another writer changed it")
    new = partial_path.stat()
    if new.st_mtime_ns == before:  # file systems' clocks are coarse, and another content must be another generation
        os.utime(partial_path, ns=(new.st_atime_ns, before + 1))
    partial_path.replace(path)
