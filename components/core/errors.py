"""The errors that a user reads: one clear line, no traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_INPUT_ERROR = 2
"""Exit code of a process that found wrong input of the user."""

EXIT_AGAIN = 75
"""Exit code of a training that was asked to stop and saved its state: the same command continues it (EX_TEMPFAIL)."""


class InputError(ValueError):
    """Wrong input from the user. Its message is one line: what failed, what was found and expected, what to try."""


class StepError(RuntimeError):
    """A step failed for another reason than the user's input. The message is one line that says what to look at."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """Returns the ending of an error message: the nearest of `choices` to `name`, or all of them when none is near.

    Args:
        name: The name that the user gave.
        choices: The valid names.

    Returns:
        For instance "did you mean 'string'?" or "expected one of bass, brass".
    """
    options = list(choices)
    close = difflib.get_close_matches(name.lower(), options, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(option) for option in close) + "?"
    return "expected one of " + ", ".join(options)
