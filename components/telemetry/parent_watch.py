"""Ends a step whose `luthier run` was killed: nobody would wait for it, and the next run needs its place.

KFP's local runner starts each task through a shell, so the kernel's own "signal me when my parent dies" reaches only
that shell.
"""

from __future__ import annotations

import os
import threading
import time

from components.core import environment

_POLL_S = 0.5


def watch() -> None:
    """Exits this process at once when the one named in LUTHIER_RUN_PID is gone; does nothing where none is named."""
    pid = environment.get_int(environment.RUN_PID)
    if pid:
        threading.Thread(target=_wait_for_end, args=(pid,), name="orphan-watch", daemon=True).start()


def _wait_for_end(pid: int) -> None:
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            os._exit(1)
        except PermissionError:
            pass  # alive, under another user
        time.sleep(_POLL_S)
