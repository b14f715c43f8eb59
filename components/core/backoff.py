"""Exponential backoff: how long to wait between the attempts of a request, and when to give up.

https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter ("equal jitter").
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from components.core.errors import StepError

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to try again.

    Attributes:
        limit_s: Longest time without an answer before it gives up.
        first_pause_s: Upper bound of the pause after the first failure; it doubles with every failure in a row.
        longest_pause_s: Upper bound of all pauses.
        longest_retry_after_s: The longest pause that the other side may ask for.
        warn_after: Failures in a row after which the log has one warning.
    """

    limit_s: float = 120.0  # an API server that is upgraded is away for about a minute
    first_pause_s: float = 0.2
    longest_pause_s: float = 15.0
    longest_retry_after_s: float = 60.0
    warn_after: int = 2


DEFAULT = RetryPolicy()


class Outage:
    """What the log has said about one other side: several conversations with it warn once, and once tell its return.

    Safe to use from several threads.

    Attributes:
        answers: How many answers there were.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_logged = False
        self.answers = 0

    def begins(self) -> bool:
        """Tells whether a failure is the first to be logged since the other side last answered."""
        with self._lock:
            is_first, self._is_logged = not self._is_logged, True
        return is_first

    def ends(self) -> bool:
        """Notes an answer; tells whether it is the first one since a failure was logged."""
        with self._lock:
            was_logged, self._is_logged = self._is_logged, False
            self.answers += 1
        return was_logged


class Backoff:
    """Waits between the attempts of one request, or of one conversation such as a watch; gives up after a time limit.

    For one request:

        backoff = Backoff("the API server https://10.0.0.1")
        while True:
            try:
                return send()
            except ConnectionError as error:
                backoff.failed(error)  # waits, or raises StepError

    For a conversation, `answered` starts the time limit anew when the other side is there, and `progressed` also makes
    the next pause a short one. A reader that may be stopped passes a `sleep` that raises its own exception. For an
    error message of its own, a caller catches the StepError.

    Attributes:
        target: The other side, as log lines and errors name it: "the API server https://10.0.0.1", "'gs://a/b'".
        policy: How often and how long to try again. It may be replaced at any time, for instance by a longer time
            limit once the other side has answered at all.
        failures: Failures since the other side last answered.
    """

    def __init__(
        self,
        target: str,
        policy: RetryPolicy | None = None,
        *,
        outage: Outage | None = None,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes the other side and the policy.

        Args:
            target: See Attributes.
            policy: See Attributes; DEFAULT if None.
            outage: Shared by all conversations with the same other side; None for one of its own.
            sleep: Waits for seconds.
            clock: Returns seconds.
        """
        self.target, self.policy = target, policy or DEFAULT
        self.failures = 0
        self._sleep, self._clock = sleep, clock
        self._silent_since: float | None = None
        self._pauses = 0
        self._outage = outage or Outage()
        self._answers = self._outage.answers

    def answered(self) -> None:
        """Notes that the other side is there: the time limit starts anew."""
        if self._outage.ends():
            _LOG.info("%s answers again", self.target)
        self._silent_since, self.failures = None, 0

    def progressed(self) -> None:
        """Notes that the conversation goes on: as `answered`, and the next pause is a short one."""
        self.answered()
        self._pauses = 0

    def pause(self, retry_after_s: float | None = None) -> None:
        """Waits; every time twice as long, up to a bound.

        Args:
            retry_after_s: What the other side asked for (HTTP's Retry-After); is added.
        """
        bound_s = min(self.policy.first_pause_s * 2 ** min(self._pauses, 30), self.policy.longest_pause_s)
        self._pauses += 1
        asked_s = min(retry_after_s or 0.0, self.policy.longest_retry_after_s)
        self._sleep(random.uniform(bound_s / 2, bound_s) + asked_s)

    def failed(self, error: Exception, retry_after_s: float | None = None) -> None:
        """Waits after a failed attempt.

        Args:
            error: Why it failed.
            retry_after_s: See `pause`.

        Raises:
            StepError: The other side has not answered within the time limit.
        """
        now = self._clock()
        if self._answers != self._outage.answers:  # another conversation has had an answer meanwhile
            self.failures, self._answers = 0, self._outage.answers
        self.failures += 1
        self._silent_since = now if self._silent_since is None else self._silent_since
        silent_s, limit_s = now - self._silent_since, self.policy.limit_s
        if silent_s > limit_s:
            raise StepError(f"{self.target} has not answered for {silent_s:.0f} s: {root_cause(error)}") from error
        if self.failures >= self.policy.warn_after and self._outage.begins():
            _LOG.warning("%s does not answer (%s); trying again for %.0f s", self.target, root_cause(error), limit_s)
        self.pause(retry_after_s)


def root_cause(error: BaseException) -> str:
    """Returns the innermost cause of a network error in one line, for instance "Connection refused"."""
    inner: BaseException = error
    while True:
        context = None if inner.__suppress_context__ else inner.__context__
        cause = getattr(inner, "reason", None) or inner.__cause__ or context
        if not isinstance(cause, BaseException):
            break
        inner = cause
    text = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return " ".join(str(text).split())
