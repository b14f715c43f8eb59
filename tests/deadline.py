"""A limit for work that may never end: of processor time, which does not pass while a busy machine does other work."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in the block when this process has computed for so long; in the main thread alone."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"not ended after {seconds} s of processor time")

    earlier = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, earlier)
