"""Ends a step when its `luthier run` was killed: no process waits for the step, and it would block the next run.

KFP's local runner starts each task through a shell, so the kernel's own signal on the death of a parent
(PR_SET_PDEATHSIG) reaches only that shell.
"""

from __future__ import annotations

import os
import threading
import time

from components.core import environment

_POLL_S = 0.5


def watch() -> None:
    """Starts a thread that exits this process when the process in LUTHIER_RUN_PID has ended; does nothing if unset."""
    pid = environment.get_int(environment.RUN_PID)
    if pid:
        threading.Thread(target=_exit_after, args=(pid,), name="parent-watch", daemon=True).start()


def _exit_after(pid: int) -> None:
    while _is_running(pid):
        time.sleep(_POLL_S)
    os._exit(1)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs as another user
    return True
