"""Names of objects as local paths. Here alone a name that somebody else chose becomes a path.

Object names of Cloud Storage are any text: "/etc/passwd", "../x" and "a//b" are names. Joined to a directory, such a
name leads out of it. So `local_path` refuses every name that is not a plain relative path.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from components.core.errors import InputError

LONGEST_NAME_BYTES = 1024  # of an object, in Cloud Storage
LONGEST_PART_BYTES = 255  # of a file, on Linux
_SHOWN = 80


def check_name(name: str) -> str:
    """Returns the name of an object below a directory, such as "model/weights.h5", if it is a plain relative path.

    Raises:
        InputError: It is absolute, has an empty part, ".", "..", a backslash or a control character, or is too long.
    """
    reason = _reason(name)
    if reason:
        shown = repr(name) if len(name) <= _SHOWN else f"{name[:_SHOWN]!r}..."
        raise InputError(f"the object name {shown} is refused: it {reason}; expected a plain relative path")
    return name


def local_path(directory: str | Path, name: str) -> Path:
    """Returns the path of an object's copy below a directory. Everything that is downloaded is written to such a path.

    Args:
        directory: The local directory.
        name: The object's name below the listed prefix; untrusted.

    Raises:
        InputError: The name is refused (see `check_name`), or leads through a symbolic link.
    """
    path = Path(directory)
    for part in check_name(name).split("/"):
        path = path / part
        if path.is_symlink():
            raise InputError(f"cannot write '{path}': it is a symbolic link; remove it, or choose another directory")
    return path


def check_no_link_leaves(directory: str | Path, names: Sequence[str] = ("",)) -> None:
    """Checks that no file below a directory is a symbolic link to a file outside of it, before its files are copied.

    Args:
        directory: The local directory.
        names: The files and directories in it that are copied; by default everything.

    Raises:
        InputError: There is such a link; copying would publish a file that is not part of the directory.
    """
    root = Path(directory).resolve()
    for path in (path for name in names for path in (root / name, *(root / name).rglob("*"))):
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            raise InputError(
                f"cannot copy '{path}': it is a symbolic link to a file outside of '{directory}'; remove it"
            )


def _reason(name: str) -> str:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "is not Unicode"
    parts = name.split("/")
    if name.startswith("/"):
        return "is absolute"
    if size > LONGEST_NAME_BYTES or any(len(part.encode()) > LONGEST_PART_BYTES for part in parts):
        return f"is longer than {LONGEST_NAME_BYTES} bytes, or {LONGEST_PART_BYTES} in a part"
    if ".." in parts:
        return "has the part '..'"
    if "" in parts or "." in parts:
        return "has an empty part"
    if "\\" in name:
        return "has a backslash"
    return "has a control character" if any(unicodedata.category(each) == "Cc" for each in name) else ""
