"""XLA's compiled code on disk, so that a later process need not compile it again.

TensorFlow names an entry after the computation and the shapes alone, so every version of TensorFlow and every kind of
processor has a folder of its own here. The code in it is run: the folder is private to its user, and never one of a
workspace, into which others may write. TensorFlow writes an entry under a temporary name and renames it, so several
processes may share the folder; it compares the whole computation of an entry before it takes one.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path

from components.core import environment
from components.core.errors import InputError, StepError
from components.core.fingerprint import fingerprint

OFF = "off"
"""The value of environment.COMPILATION_CACHE that keeps nothing."""

_FLAGS, _FLAG = "TF_XLA_FLAGS", "--tf_xla_persistent_cache_directory"
_CPU_FACTS = ("vendor_id", "cpu family", "model", "stepping", "flags", "Features")
_UNUSED_S = 30 * 86_400.0
_EMPTY_S = 3_600.0  # an empty file that is younger is an entry that a process is writing
_FREE_BYTES = 1 << 30  # with less space on the disk, nothing is kept: TensorFlow fails if it cannot write an entry
_ERRORS_OF_AN_ENTRY = (
    "Read less bytes than requested",
    "Serialized cache key does not match",
    "Serialized HLO does not match",
    "No binary found in serialized entry",
)


def enable() -> None:
    """Tells TensorFlow the folder: that of the environment, else the user's own. Call it before TensorFlow is imported.

    Entries that were not used for a month are removed. Without a folder that the environment names, nothing is kept
    where none can be made, or the disk is nearly full.

    Raises:
        InputError: The folder that the environment names cannot be made, or others may write into it.
    """
    folder = _folder()
    if not folder or _FLAG in os.environ.get(_FLAGS, ""):
        return
    try:
        _make(folder)
    except InputError:
        if environment.get(environment.COMPILATION_CACHE):
            raise
        return
    _remove_unused(folder)
    ours = f"{_FLAG}={folder} --tf_xla_persistent_cache_prefix=luthier"
    os.environ[_FLAGS] = f"{os.environ.get(_FLAGS, '')} {ours}".strip()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts, free_bytes = folder.stat(), shutil.disk_usage(folder).free
    except OSError as error:
        raise InputError(f"{environment.COMPILATION_CACHE}: cannot make '{folder}': {error.strerror}") from None
    if facts.st_uid != os.getuid() or facts.st_mode & 0o022:
        raise InputError(
            f"{environment.COMPILATION_CACHE}: others may write into '{folder}', and the code in it is run: "
            "expected a directory of yours that nobody else can write into (chmod 700)"
        )
    if free_bytes < _FREE_BYTES or not os.access(folder, os.W_OK):
        raise InputError(
            f"{environment.COMPILATION_CACHE}: cannot keep compiled code in '{folder}': it has {free_bytes:,} bytes "
            f"free, expected {_FREE_BYTES:,} and the right to write; free some space, or set it to '{OFF}'"
        )


def _remove_unused(folder: Path) -> None:
    now_s = time.time()
    for entry in folder.iterdir():
        with suppress(OSError):  # another process removed it
            facts = entry.stat()
            age_s = now_s - max(facts.st_atime, facts.st_mtime)
            if age_s > (_UNUSED_S if facts.st_size else _EMPTY_S):
                entry.unlink()


@contextmanager
def removed_if_damaged() -> Iterator[None]:
    """Removes the folder if TensorFlow could not read or write an entry of it inside the block.

    Raises:
        StepError: It was removed; the same command can be run again.
    """
    try:
        yield
    except Exception as error:
        if "tensorflow" not in sys.modules or not is_damaged(error):
            raise
        folder = _folder()
        assert folder is not None, "there was one"
        shutil.rmtree(folder, ignore_errors=True)
        raise StepError(
            f"the compiled code in '{folder}' is damaged and has been removed; run the command again"
        ) from (None)


def is_damaged(error: Exception) -> bool:
    """Returns whether an error of TensorFlow says that it could not read or write an entry of the folder."""
    if isinstance(error, InputError | StepError):
        return False
    folder, text = _folder(), str(error)
    return folder is not None and any(part in text for part in (*_ERRORS_OF_AN_ENTRY, str(folder)))


def _folder() -> Path | None:
    """Returns the folder for this TensorFlow and processor; None where nothing is kept.

    Raises:
        InputError: The environment names something that is no local folder, or that TensorFlow cannot take.
    """
    named = environment.get(environment.COMPILATION_CACHE)
    if named == OFF:
        return None
    if named and ("://" in named or any(letter.isspace() for letter in named)):
        raise InputError(
            f"{environment.COMPILATION_CACHE} is {named!r}: expected a local directory without spaces in its name, "
            f"or '{OFF}'"
        )
    try:
        parent = Path(named or _user_cache()).expanduser().absolute()
    except RuntimeError:  # the user has no home
        return None
    if any(letter.isspace() for letter in str(parent)):
        return None
    return parent / f"{metadata.version('tensorflow')}-{_processor()[:12]}"


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "luthier/xla"


def _processor() -> str:
    """Returns a fingerprint of what the processor can do: code for another one may use instructions that it lacks."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        lines = []
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {name.strip(): value.strip() for name, value in facts.items()}
    return fingerprint({name: named.get(name, "") for name in _CPU_FACTS} | {"machine": os.uname().machine})
