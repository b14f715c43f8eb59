"""Processes of tests: what /proc shows of them, and which signals they take."""

import signal
from pathlib import Path


def takes_interrupt() -> None:
    """Makes a child process take Ctrl-C, as `preexec_fn`.

    A shell starts a background command with SIGINT ignored, and so all that it starts.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started_of(pid: int) -> str:
    """Returns when a process began, in clock ticks since the machine's start: field 22 of its stat (proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
