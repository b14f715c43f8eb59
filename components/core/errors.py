"""The errors that a user reads: one clear line, no traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_INPUT_ERROR = 2
"""Of a process that found the user's input at fault."""

EXIT_AGAIN = 75
"""Of a training that was asked to stop: nothing is wrong, all is saved, the same command goes on (EX_TEMPFAIL)."""


class InputError(ValueError):
    """Bad input from the user. The message is one line: what failed, what was found, what was expected, what to try."""


class StepError(RuntimeError):
    """A step of a run failed, and not by the user's input. The message is one line that says where to look."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """Returns the ending of an error message: the nearest of `choices` to `name`, or all of them when none is near.

    Args:
        name: What the user wrote.
        choices: What would have been right.

    Returns:
        For instance "did you mean 'string'?" or "expected one of bass, brass".
    """
    options = list(choices)
    close = difflib.get_close_matches(name.lower(), options, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(option) for option in close) + "?"
    return "expected one of " + ", ".join(options)
