"""The git commit of the code: for run records, and for the names of pipeline versions."""

from __future__ import annotations

import subprocess
from pathlib import Path

from components.core import environment

_SHORT_DIGITS = 12


def commit() -> str | None:
    """Returns LUTHIER_GIT_COMMIT, which an image sets, else the checkout's commit; None outside a checkout."""
    return environment.get(environment.GIT_COMMIT) or _git("rev-parse", "HEAD")


def short_commit() -> str:
    """Returns 12 digits of the commit, with "-dirty" after uncommitted changes; "unknown" where there is none."""
    if given := environment.get(environment.GIT_COMMIT):
        return given[:_SHORT_DIGITS]
    return _git("describe", "--always", "--dirty", "--exclude", "*", f"--abbrev={_SHORT_DIGITS}") or "unknown"


def _git(*arguments: str) -> str | None:
    """Returns what a git command prints in the checkout of this file; None where it fails."""
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
