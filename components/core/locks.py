"""Locks between the processes of one machine: locked files, which the kernel frees when their holder dies."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.core.errors import StepError

_LOG = logging.getLogger(__name__)
_POLL_S = 0.1
_LOG_AFTER_S = 2.0


class LockHeld(StepError):  # noqa: N818 (reads as what it is)
    """Another process holds a lock.

    Attributes:
        holder: The process id that the holder wrote to the file; "unknown" where it wrote none.
    """

    def __init__(self, path: Path, holder: str, waited_s: float) -> None:
        waited = f" after {waited_s:.0f} s" if waited_s else ""
        super().__init__(f"cannot lock '{path}'{waited}: process {holder} holds it; wait for that process or stop it")
        self.holder = holder


@contextmanager
def file_lock(path: Path, wait_s: float) -> Iterator[None]:
    """Holds the lock of a file, which is created where it is missing and holds the process id of its holder.

    Args:
        path: The file; its directory must exist. It stays when the lock is released: a file that is removed could be
            locked twice.
        wait_s: How long to wait for another process; 0 fails at once.

    Raises:
        LockHeld: Another process still holds the lock after `wait_s`.
    """
    with path.open("a+") as file:
        _acquire(file.fileno(), path, wait_s)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def try_lock(descriptor: int) -> bool:
    """Locks an open file if no other process holds its lock; tells whether it did. Closing the file releases it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def directory_lock(path: Path) -> Iterator[int]:
    """Holds the lock of a directory for some milliseconds, for instance to compare a file and replace it.

    Yields:
        The directory's open descriptor. Where the file system has no locks (some network disks), it is not locked.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            _LOG.debug("cannot lock the directory '%s': %s", path, error)
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, wait_s: float) -> None:
    start, logged = time.monotonic(), False
    while not try_lock(descriptor):
        waited_s = time.monotonic() - start
        if waited_s >= wait_s:
            raise LockHeld(path, _holder(path), waited_s if wait_s else 0.0)
        if not logged and waited_s >= _LOG_AFTER_S:
            logged = True
            _LOG.info("waiting for process %s, which holds the lock '%s'", _holder(path), path)
        time.sleep(_POLL_S)


def _holder(path: Path) -> str:
    return path.read_text().strip() or "unknown"
