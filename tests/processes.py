"""Processes of tests, as /proc shows them."""

from pathlib import Path


def started_of(pid: int) -> str:
    """Returns when a process began, in clock ticks since the machine's start: field 22 of its stat (proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
