"""Prefetch: a thread makes the batches of the next steps while the device computes."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
_AHEAD = 4  # batches in memory beside the one in use
_POLL_S = 0.1
THREAD_NAME = "prefetch"


class Prefetcher(Generic[T]):
    """Makes the batches of consecutive steps in a thread of its own, from `start` to `close`.

    Attributes:
        waited_s: How long `get` has waited for batches that were not ready.
    """

    def __init__(self, make: Callable[[int], T]) -> None:
        """Args: returns the batch of a step."""
        self.waited_s = 0.0
        self._make = make
        self._run: _Run[T] | None = None

    def start(self, first_step: int) -> None:
        """Starts the thread, anew if it runs: the next `get` returns the batch of `first_step`."""
        self.close()
        self._run = _Run(self._make, first_step)

    def get(self) -> T:
        """Returns the next step's batch; raises what making it raised."""
        if self._run is None:
            raise RuntimeError("the prefetcher is not started")
        start = time.monotonic()
        item = self._run.ready.get()
        self.waited_s += time.monotonic() - start
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self) -> None:
        """Ends the thread: an interpreter that exits while a thread is in TensorFlow's code may crash."""
        if self._run is not None:
            self._run.stop()
            self._run = None


class _Run(Generic[T]):
    """A thread that makes batches, and the queue of those that are ready."""

    def __init__(self, make: Callable[[int], T], first_step: int) -> None:
        self.ready: queue.Queue[T | BaseException] = queue.Queue(_AHEAD)
        self._make = make
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._loop, args=(first_step,), name=THREAD_NAME, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        with contextlib.suppress(queue.Empty):  # room for the batch that the thread may be waiting to put
            while True:
                self.ready.get_nowait()
        self._thread.join()

    def _loop(self, step: int) -> None:
        while not self._stopped.is_set():
            try:
                item: T | BaseException = self._make(step)
            except BaseException as error:  # any: `get` raises it
                item = error
            self._put(item)
            if isinstance(item, BaseException):
                return
            step += 1

    def _put(self, item: T | BaseException) -> None:
        while not self._stopped.is_set():
            try:
                self.ready.put(item, timeout=_POLL_S)
                return
            except queue.Full:
                continue
