"""SIGTERM and Ctrl-C: a training saves its state and exits with code 75, which means: run the same command again.

Kubernetes sends SIGTERM to a pod that it takes away (a preemption, a drained node) and waits 30 s before it kills.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from components.core.errors import EXIT_AGAIN

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Termination:
    """Whether this process has been asked to end.

    Attributes:
        requested: It has. The code that polls this saves its work and calls `exit`.
    """

    def __init__(self) -> None:
        self.requested = False
        self._polled = False

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catches the signals inside the block. Only the main thread may; elsewhere this does nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def polled(self) -> Iterator[None]:
        """Inside the block the training polls `requested` often; outside, a signal ends the process at once."""
        self._polled = True
        try:
            yield
        finally:
            self._polled = False

    def install(self) -> None:
        """Installs the handlers again, after TensorFlow has installed its own, as it does with several workers."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    def exit(self) -> None:
        """Ends the process.

        Raises:
            SystemExit: Always, with EXIT_AGAIN.
        """
        raise SystemExit(EXIT_AGAIN)

    def _on_signal(self, number: int, frame: Any) -> None:
        self.requested = True
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)  # a second Ctrl-C ends the process at once
        if not self._polled:
            self.exit()
