"""The git commit that the code is of."""

from __future__ import annotations

import subprocess
from pathlib import Path

from components.core import environment


def commit() -> str | None:
    """Returns the commit of the checkout that this file is in, or what LUTHIER_GIT_COMMIT says of an image's code."""
    given = environment.get(environment.GIT_COMMIT)
    if given:
        return given
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
