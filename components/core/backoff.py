"""How long to go on with a server that does not answer: ever longer pauses, then a clear failure."""

from __future__ import annotations

import logging
import random
import time

from components.core.errors import StepError

_LOG = logging.getLogger(__name__)
LIMIT_S = 120.0
"""How long it may be silent. An API server that is upgraded is away for about a minute."""
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 15.0
_LONGEST_ASKED_S = 60.0


class Patience:
    """The patience of one conversation.

    Attributes:
        limit_s: How long the other side may be silent.
    """

    def __init__(self, who: str, limit_s: float | None = None) -> None:
        self._who = who
        self.limit_s = LIMIT_S if limit_s is None else limit_s
        self._silent_since: float | None = None
        self._told = False
        self._pause_s = _FIRST_PAUSE_S

    def answered(self) -> None:
        """Tells that the other side is there."""
        if self._told:
            _LOG.info("%s answers again", self._who)
        self._silent_since, self._told = None, False

    def progressed(self) -> None:
        """Tells that the conversation goes on: the next pause is a short one again."""
        self.answered()
        self._pause_s = _FIRST_PAUSE_S

    def pause(self, asked_s: float | None = None) -> None:
        """Waits a little, each time longer; at least `asked_s`, which the other side may have asked for."""
        pause_s = random.uniform(self._pause_s / 2, self._pause_s)
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
        time.sleep(max(pause_s, min(asked_s or 0.0, _LONGEST_ASKED_S)))

    def failed(self, error: Exception, asked_s: float | None = None) -> None:
        """Waits after a failure.

        Raises:
            StepError: It has been silent for too long.
        """
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        elif not self._told:  # once is nothing to speak of
            self._told = True
            _LOG.info("%s does not answer (%s); trying again for %.0f s", self._who, said(error), self.limit_s)
        if now - self._silent_since > self.limit_s:
            silent_s = now - self._silent_since
            raise StepError(f"{self._who} has not answered for {silent_s:.0f} s: {said(error)}") from error
        self.pause(asked_s)


def said(error: BaseException) -> str:
    """Returns the innermost cause of a network error in one line: "Connection refused", not where it was noticed."""
    seen = error
    while True:
        context = None if seen.__suppress_context__ else seen.__context__
        inner = getattr(seen, "reason", None) or seen.__cause__ or context
        if not isinstance(inner, BaseException):
            break
        seen = inner
    text = getattr(seen, "strerror", None) or str(seen) or type(seen).__name__
    return " ".join(str(text).split())
