"""Seats for a laptop's heavy tasks: KFP's local runner starts up to four at once, whatever the machine can hold."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.core import environment
from components.core.locks import try_lock

_POLL_S = 0.2


@contextmanager
def slot() -> Iterator[None]:
    """Waits for one of the seats that LUTHIER_SLOTS="<folder>:<number>" names; does nothing where it is not set.

    A seat is a locked file, so the kernel frees it when its holder dies.
    """
    folder, _, number = environment.get(environment.SLOTS).rpartition(":")
    if not folder:
        yield
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    seats = [Path(folder, f"slot-{index}").open("w") for index in range(int(number))]  # noqa: SIM115 - closed below
    try:
        while not any(try_lock(seat.fileno()) for seat in seats):
            time.sleep(_POLL_S)
        yield
    finally:
        for seat in seats:
            seat.close()
