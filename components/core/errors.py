"""The errors that a user reads: one clear line, no traceback."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable

EXIT_INPUT_ERROR = 2
"""Exit code of a process that found wrong input of the user."""

EXIT_AGAIN = 75
"""Exit code of a training that was asked to stop and saved its state: the same command continues it (EX_TEMPFAIL)."""


class InputError(ValueError):
    """Wrong input from the user. Its message is one line: what failed, what was found and expected, what to try."""


class NoAnswerError(InputError):
    """A server does not answer: its address is wrong, or it is away for a moment; another attempt can tell."""


class StepError(RuntimeError):
    """A step failed for another reason than the user's input. The message is one line that says what to look at."""


_LONGEST_LINE = 2_000
# What no second attempt of the same command can change.
_OF_THE_USER = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EILSEQ),
)
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SAID_OF_A_FULL_DISK = (*map(os.strerror, _DISK_FULL), "database or disk is full")  # SQLite's last
_WRONG_PATH = (errno.EEXIST, errno.ENOENT, errno.EINVAL)


def is_disk_full(error: BaseException | None) -> bool:
    """Tells whether an error of Python, TensorFlow, HDF5 or SQLite says that a disk or a quota is full."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _DISK_FULL
    return error is not None and any(said in str(error) for said in _SAID_OF_A_FULL_DISK)


def write_error(uri: str, error: OSError) -> InputError | StepError:
    """Returns the error of a file that cannot be written: a StepError where a retry may help, as with a full disk."""
    at = f": '{error.filename}'" if error.filename else ""
    text = f"cannot write '{uri}': {error.strerror}{at}"
    return InputError(text) if error.errno in (*_OF_THE_USER, *_WRONG_PATH) else StepError(f"{text}; {_again(error)}")


def error_of_system(error: OSError) -> InputError | StepError:
    """Returns an error of the operating system, such as a directory that is read-only, as one of ours."""
    names = [f"'{os.fsdecode(name)}'" for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    reason = error.strerror or str(error) or type(error).__name__
    text = f"the system refused: {reason}{': ' if names else ''}{' and '.join(names)}"
    if error.errno in _OF_THE_USER:
        return InputError(f"{text}; check the path and its permissions")
    return StepError(f"{text}; {_again(error)}")


def _again(error: OSError) -> str:
    return f"{'free some space and run' if is_disk_full(error) else 'run'} the command again"


def one_line(text: str) -> str:
    """Returns a message as one line of printable characters: names in it may come from anywhere.

    Control characters, which a terminal would carry out, are escaped, and a very long text is cut.
    """
    line = " ".join(text.split())
    shown = line if line.isprintable() else "".join(map(_printable, line))
    return shown if len(shown) <= _LONGEST_LINE else f"{shown[:_LONGEST_LINE]}..."


def _printable(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


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
