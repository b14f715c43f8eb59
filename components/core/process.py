"""Which process holds something: enough to tell, on the same machine alone, that it has ended."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STATE, _START_TIME = 0, 19  # fields of /proc/PID/stat after the name of the command, from 0


@dataclass(frozen=True)
class ProcessIdentity:
    """A process, as the holder of a lease describes itself.

    Attributes:
        host: The machine's name, for a person.
        pid: Process id.
        started: When it started, in the kernel's ticks since boot: a process id is used again. "" where unknown.
        machine: Of the boot of the machine and the space of its process ids: equal only where `pid` means the same
            process. "" where unknown.
    """

    host: str
    pid: int
    started: str
    machine: str

    @classmethod
    def of_this(cls) -> ProcessIdentity:
        """Returns the identity of the process that calls."""
        return cls(socket.gethostname(), os.getpid(), _stat_field(os.getpid(), _START_TIME), _machine())

    @classmethod
    def parse(cls, values: Any) -> ProcessIdentity:
        """Returns the identity in a JSON object; of no process that anybody knows where it is malformed."""
        values = values if isinstance(values, dict) else {}
        pid = values.get("pid")
        texts = {name: value if isinstance(value := values.get(name), str) else "" for name in ("host", "started")}
        machine = values.get("machine")
        known = isinstance(pid, int) and not isinstance(pid, bool) and pid > 0 and isinstance(machine, str)
        return cls(texts["host"], pid if known else 0, texts["started"], machine if known else "")

    def has_ended(self) -> bool:
        """Tells whether the process has ended for sure; False where it runs, or on another machine."""
        return self._is_of_this_machine() and not self._runs()

    def runs(self) -> bool:
        """Tells whether the process runs for sure; False where it has ended, or on another machine."""
        return self._is_of_this_machine() and self._runs()

    def _is_of_this_machine(self) -> bool:
        return bool(self.machine and self.started) and self.machine == _machine()

    def _runs(self) -> bool:
        return (
            _stat_field(self.pid, _STATE) not in ("", "Z", "X") and _stat_field(self.pid, _START_TIME) == self.started
        )

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" if self.pid else "an unknown process"


@cache
def _machine() -> str:
    """Returns the boot's id and the namespace of process ids: containers of one machine have spaces of their own."""
    with suppress(OSError):
        return f"{_BOOT_ID.read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    return ""


def _stat_field(pid: int, field: int) -> str:
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[field]
    return ""
