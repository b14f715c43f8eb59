"""Repeats a step whose failure may be somebody else's: a server that did not answer, a disk that was full.

Kubeflow's own retries do not do so. Its compiler (2.17) sets how often, but not after what, and its installations set
the policy OnError: a lost pod is started again, one that ended with exit code 1 is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from components.core import environment
from components.core.errors import InputError, NoAnswerError
from components.telemetry import log

T = TypeVar("T")
PAUSES_S: Sequence[float] = (15.0, 60.0)
"""The pauses between the attempts."""
SCHEDULED_PAUSES_S: Sequence[float] = (15.0, 60.0, 300.0, 900.0)
"""Those of what a schedule starts: the next attempt after these is a day later."""

_LOG = log.get(__name__)


def with_retries(work: Callable[[], T], pauses_s: Sequence[float] | None = None) -> T:
    """Returns what the work returns. In a cluster it is repeated after errors, except those of the user's input.

    On a laptop, an error shows at once: the same command continues.

    Args:
        work: Must be safe to repeat.
        pauses_s: The pauses between the attempts; PAUSES_S where None.
    """
    if pauses_s is None:
        pauses_s = PAUSES_S
    for pause_s in pauses_s if environment.in_cluster() else ():
        try:
            return work()
        except Exception as error:
            if isinstance(error, InputError) and not isinstance(error, NoAnswerError):
                raise
            _LOG.warning("failed (%s: %s); trying again in %.0f s", type(error).__name__, error, pause_s)
            time.sleep(pause_s)
    return work()
