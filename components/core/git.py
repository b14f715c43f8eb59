"""The git commit that the code is of."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

COMMIT_VARIABLE = "LUTHIER_GIT_COMMIT"


def commit() -> str | None:
    """Returns the commit of the checkout that this file is in, or what LUTHIER_GIT_COMMIT says of an image's code."""
    given = os.environ.get(COMMIT_VARIABLE)
    if given:
        return given
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
