"""Retries of requests to Cloud Storage: for which answers, how often, and for how long.

Which answers are worth another attempt: https://cloud.google.com/storage/docs/retry-strategy.
"""

from __future__ import annotations

import email.utils
import math
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from components.core.backoff import Backoff, RetryPolicy

RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

POLICY = RetryPolicy(limit_s=300.0, first_pause_s=0.25, longest_pause_s=30.0, longest_retry_after_s=120.0, warn_after=3)
"""How often and how long a request is tried again while nothing moves."""

LIMIT_BEFORE_FIRST_ANSWER_S = 60.0
"""The time limit until the service first answers this process: before, a wrong URL is likelier than an outage."""


_patience_s = ContextVar("patience_s", default=math.inf)


@contextmanager
def patience(limit_s: float) -> Iterator[None]:
    """Gives up each request in the block after so long without an answer: to clean up must not keep a process alive."""
    token = _patience_s.set(limit_s)
    try:
        yield
    finally:
        _patience_s.reset(token)


def patience_s() -> float:
    """Returns the limit of the innermost `patience`; infinity outside of any."""
    return _patience_s.get()


class TransientError(Exception):
    """An attempt failed in a way that another attempt may not.

    Attributes:
        retry_after_s: How long the service asks to wait.
    """

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Stopped(Exception):  # noqa: N818 (not an error)
    """The reader or writer that a request was for is closed."""


class _Process:
    """What this process has seen so far."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.retries: Counter[str] = Counter()
        self.answered = False


_process = _Process()


def _renew() -> None:
    global _process
    _process = _Process()


# A forked child starts at zero, and with a lock that no thread of its parent holds.
os.register_at_fork(after_in_child=_renew)


def retries() -> dict[str, int]:
    """Returns this process's retries so far by operation: "read", "write", "list", "stat", "delete"."""
    with _process.lock:
        return dict(_process.retries)


def service_answered() -> None:
    """Notes that the service can be reached from here."""
    _process.answered = True


class RequestRetries:
    """The retries of one request: counts its failures, waits between its attempts, and gives up at the time limit."""

    def __init__(self, operation: str, uri: str, stopped: threading.Event | None = None) -> None:
        """Starts with no failure.

        Args:
            operation: For `retries` and messages: "read", "write", "list", "stat" or "delete".
            uri: The object.
            stopped: Set when the reader or writer is closed, which ends a wait.
        """
        self._operation = operation
        self._stopped = stopped or threading.Event()
        self._backoff = Backoff(f"Cloud Storage ({operation} '{uri}')", POLICY, sleep=self._sleep)

    def progressed(self) -> None:
        """Notes that bytes went through: the next failure is a first one again."""
        self._backoff.progressed()

    def wait(self, error: TransientError) -> None:
        """Waits until the next attempt may be made.

        Raises:
            StepError: Nothing has moved within the time limit.
            Stopped: The reader or writer was closed meanwhile.
        """
        limit_s = min(POLICY.limit_s, patience_s())
        if not _process.answered:
            limit_s = min(limit_s, LIMIT_BEFORE_FIRST_ANSWER_S)
        self._backoff.policy = replace(POLICY, limit_s=limit_s)
        self._backoff.failed(error, error.retry_after_s)
        with _process.lock:
            _process.retries[self._operation] += 1

    def _sleep(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise Stopped


def parse_retry_after(value: str | None) -> float:
    """Returns the seconds of a Retry-After header, which holds seconds or a date; 0 if there is none."""
    if not value:
        return 0.0
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
