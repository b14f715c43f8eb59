"""Limits how many heavy tasks run at once on a laptop, where KFP's local runner starts up to four."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.core import environment
from components.core.locks import try_lock
from components.core.text import counted
from components.telemetry import log

_LOG = log.get(__name__)
_POLL_S = 0.2
_LOG_EVERY_S = 600.0


@contextmanager
def slot() -> Iterator[None]:
    """Holds one of the slots that LUTHIER_SLOTS="<directory>:<number>" names; does nothing if it is unset.

    A slot is a locked file, so the kernel frees it when its holder dies. The wait has no time limit, because the holder
    may be a training of many hours; it ends with the `luthier run` that both belong to (see parent_watch.py).
    """
    directory, _, number = environment.get(environment.SLOTS).rpartition(":")
    if not directory:
        yield
        return
    Path(directory).mkdir(parents=True, exist_ok=True)
    files = [Path(directory, f"slot-{index}").open("w") for index in range(int(number))]  # noqa: SIM115 - closed below
    try:
        next_log = time.monotonic() + _LOG_EVERY_S
        while not any(try_lock(file.fileno()) for file in files):
            if time.monotonic() >= next_log:
                next_log += _LOG_EVERY_S
                _LOG.info("waiting: other tasks use %s in '%s'", counted(len(files), "slot"), directory)
            time.sleep(_POLL_S)
        yield
    finally:
        for file in files:
            file.close()
