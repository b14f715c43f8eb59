"""SIGTERM and Ctrl-C: a training saves its state and leaves with an exit code that says "again, please".

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
        asked: It has. Who polls saves its work and calls `leave`.
    """

    def __init__(self) -> None:
        self.asked = False
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
        """Inside the block somebody looks at `asked` every few seconds; outside, a signal ends the process at once."""
        self._polled = True
        try:
            yield
        finally:
            self._polled = False

    def catch(self) -> None:
        """Catches the signals again, after foreign code that did so: TensorFlow, where it knows other workers."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    def leave(self) -> None:
        """Ends the process.

        Raises:
            SystemExit: Always, with EXIT_AGAIN.
        """
        raise SystemExit(EXIT_AGAIN)

    def _on_signal(self, number: int, frame: Any) -> None:
        self.asked = True
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)  # who presses Ctrl-C twice does not want to wait
        if not self._polled:
            self.leave()
