"""How often and how long a request is tried again: exponential backoff with full jitter, for minutes at most.

https://cloud.google.com/storage/docs/retry-strategy names the answers that are worth another attempt.
"""

from __future__ import annotations

import email.utils
import logging
import os
import random
import threading
import time
from collections import Counter

from components.core.errors import StepError

RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

FIRST_DELAY_S = 0.25  # the upper bound of the first delay; doubles with every failure in a row
LONGEST_DELAY_S = 30.0
LONGEST_RETRY_AFTER_S = 120.0
# Without any progress for so long, a request is given up. Shorter while the service has not answered anything at all:
# then it is more likely a wrong address or no network than an outage.
PATIENCE_S = 300.0
PATIENCE_BEFORE_FIRST_ANSWER_S = 60.0
_FAILURES_BEFORE_LOG = 3

_LOG = logging.getLogger(__name__)


class Transient(Exception):  # noqa: N818 (reads as what it is)
    """An attempt failed in a way that another attempt may not."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Stopped(Exception):  # noqa: N818 (reads as what it is)
    """Nobody waits for this request any more."""


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


class Patience:
    """Counts the failures of one request, and waits between its attempts."""

    def __init__(self, operation: str, uri: str, stopped: threading.Event | None = None) -> None:
        self._operation, self._uri = operation, uri
        self._stopped = stopped or threading.Event()
        self.progress()

    def progress(self) -> None:
        """Notes that bytes went through: the next failure is a first one again."""
        self._failures, self._since_s = 0, time.monotonic()

    def wait(self, problem: Transient) -> None:
        """Waits until the next attempt may be made.

        Raises:
            StepError: Nothing has moved for too long.
            Stopped: The reader or writer was closed meanwhile.
        """
        delay_s = random.uniform(0.0, min(FIRST_DELAY_S * 2**self._failures, LONGEST_DELAY_S))
        delay_s += min(problem.retry_after_s, LONGEST_RETRY_AFTER_S)
        self._failures = min(self._failures + 1, 30)
        waited_s = time.monotonic() - self._since_s
        if waited_s + delay_s > (PATIENCE_S if _process.answered else PATIENCE_BEFORE_FIRST_ANSWER_S):
            raise StepError(f"gave up on '{self._uri}' after {waited_s:.0f} s without progress: last answer {problem}")
        with _process.lock:
            _process.retries[self._operation] += 1
        level = logging.WARNING if self._failures >= _FAILURES_BEFORE_LOG else logging.DEBUG
        _LOG.log(level, "%s '%s': %s; next attempt in %.1f s", self._operation, self._uri, problem, delay_s)
        if self._stopped.wait(delay_s):
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
    except ValueError:
        return 0.0
