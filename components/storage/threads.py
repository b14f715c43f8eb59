"""A pool of daemon threads for the network, started when needed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any


class DaemonPool:
    """Runs calls on at most `threads` daemon threads, first come first served.

    Unlike concurrent.futures' pool, it does not keep the process from ending while a connection hangs.
    """

    def __init__(self, threads: int) -> None:
        self._limit = threads
        self._renew()
        os.register_at_fork(after_in_child=self._renew)  # threads do not survive a fork

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._threads = self._idle = 0

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """Runs `call` in a thread of the pool, with the context variables of this one."""
        future: Future[Any] = Future()
        with self._lock:
            self._calls.put((future, partial(copy_context().run, call)))
            if self._idle >= self._calls.qsize() or self._threads == self._limit:
                return future
            self._threads += 1
            number = self._threads
        threading.Thread(target=self._work, name=f"storage-{number}", daemon=True).start()
        return future

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            future, call = self._calls.get()
            with self._lock:
                self._idle -= 1
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:
                    future.set_exception(error)
            del future, call  # so that this thread keeps neither the call's data nor its result alive
