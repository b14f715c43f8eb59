"""Waiting for a condition instead of for a time: how long a machine takes that does much else is no test's subject."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

LIMIT_S = 120.0
"""Longer than anything that is waited for takes on a slow and busy machine; a wait ends when its condition holds."""


def wait_until(
    condition: Callable[[], object],
    what: str,
    seconds: float = LIMIT_S,
    pause_s: float = 0.02,
    process: subprocess.Popen[Any] | None = None,
) -> None:
    """Waits until a condition holds.

    Args:
        condition: Asked again and again.
        what: The condition in words.
        seconds: The longest wait.
        pause_s: Between two questions.
        process: What brings it about: the wait fails if it ends before.
    """
    end = time.monotonic() + seconds
    while True:
        has_ended = process is not None and process.poll() is not None
        if condition():
            return
        assert not has_ended, f"the process has ended, and not: {what}"
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(pause_s)
