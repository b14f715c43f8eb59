"""Temporary directories that a killed process does not leave for good: the next one that needs one removes them.

<tmp>/luthier-scratch-x1y2z3/.lock      locked while its process lives; the kernel frees it, however that ends
<tmp>/luthier-scratch-x1y2z3/files/     what the process works with
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from components.core.locks import try_lock

_PREFIX = "luthier-scratch-"
_LOCK_NAME = ".lock"


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Yields an empty temporary directory, which is removed when the block ends.

    It first removes those of processes of this user that were killed: those whose lock is free.
    """
    _remove_abandoned()
    root = Path(tempfile.mkdtemp(prefix=_PREFIX))
    new = root / f"{_LOCK_NAME}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        try_lock(descriptor)
        new.rename(root / _LOCK_NAME)  # nobody sees a lock that is still free
        files = root / "files"
        files.mkdir()
        yield files
    finally:
        shutil.rmtree(root, ignore_errors=True)
        os.close(descriptor)


def _remove_abandoned() -> None:
    for root in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # of another user, removed meanwhile, or without a lock
            if root.is_symlink() or root.stat().st_uid != os.geteuid():
                continue
            descriptor = os.open(root / _LOCK_NAME, os.O_WRONLY | os.O_NOFOLLOW)
            try:
                if try_lock(descriptor):
                    shutil.rmtree(root, ignore_errors=True)
            finally:
                os.close(descriptor)
