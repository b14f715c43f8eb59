"""Free ports for servers that are other processes: they bind one some time after it was chosen."""

from __future__ import annotations

import os
import random
import socket
from itertools import count

# Below those that the kernel gives to connections, and to servers that take any.
_FIRST, _LAST = 12_000, 32_000
# Each worker of pytest-xdist ("gw0", "gw1", ...) has ports of its own.
_WORKERS = 16
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_steps = count(random.Random(os.getpid()).randrange(_LAST - _FIRST))


def free_port() -> int:
    """Returns a port of this machine that is free, and that this process has not chosen before."""
    while True:
        port = _FIRST + (next(_steps) * _WORKERS + _WORKER) % (_LAST - _FIRST)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
