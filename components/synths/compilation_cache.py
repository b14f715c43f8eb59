"""XLA's compiled code on disk, so that a later process need not compile it again. Off unless a folder is named.

TensorFlow names an entry after the computation and the shapes alone, so every version of TensorFlow and every kind of
processor has a folder of its own here. The code in it is run: the folder is private to its user, and never one of a
workspace, into which others may write.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from components.core import environment
from components.core.errors import InputError, StepError
from components.core.fingerprint import fingerprint

_FLAGS = "TF_XLA_FLAGS"
_CPU_FACTS = ("vendor_id", "cpu family", "model", "stepping", "flags", "Features")


def enable() -> None:
    """Tells TensorFlow the folder that the environment names. To be called before TensorFlow is imported.

    Raises:
        InputError: The folder cannot be made, or others may write into it.
    """
    folder = _folder()
    if not folder:
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.stat()
    except OSError as error:
        raise InputError(f"{environment.COMPILATION_CACHE}: cannot make '{folder}': {error.strerror}") from None
    if facts.st_uid != os.getuid() or facts.st_mode & 0o022:
        raise InputError(
            f"{environment.COMPILATION_CACHE}: others may write into '{folder}', and the code in it is run: "
            "expected a folder of yours that nobody else can write into (chmod 700)"
        )
    ours = f"--tf_xla_persistent_cache_directory={folder} --tf_xla_persistent_cache_prefix=luthier"
    os.environ[_FLAGS] = f"{os.environ.get(_FLAGS, '')} {ours}".strip()


@contextmanager
def removed_if_damaged() -> Iterator[None]:
    """Removes the folder if TensorFlow could not read an entry of it inside the block.

    Raises:
        StepError: It was removed; the same command can be run again.
    """
    try:
        yield
    except Exception as error:
        folder = _folder()
        if not folder or not is_damaged(error):
            raise
        shutil.rmtree(folder, ignore_errors=True)
        raise StepError(
            f"the compiled code in '{folder}' is damaged and has been removed; run the command again"
        ) from (None)


def is_damaged(error: Exception) -> bool:
    """Returns whether an error says that TensorFlow could not read an entry of the folder."""
    folder, text = _folder(), str(error)
    return folder is not None and ("Read less bytes than requested" in text or str(folder) in text)


def _folder() -> Path | None:
    named = environment.get(environment.COMPILATION_CACHE)
    if not named:
        return None
    if "://" in named or any(letter.isspace() for letter in named):
        raise InputError(
            f"{environment.COMPILATION_CACHE} is {named!r}: expected a local folder without spaces in its name"
        )
    return Path(named).expanduser().absolute() / f"{metadata.version('tensorflow')}-{_processor()[:12]}"


def _processor() -> str:
    """Returns a fingerprint of what the processor can do: code for another one may use instructions that it lacks."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        lines = []
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {name.strip(): value.strip() for name, value in facts.items()}
    return fingerprint({name: named.get(name, "") for name in _CPU_FACTS} | {"machine": os.uname().machine})
