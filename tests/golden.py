"""Golden numbers: stored with the version they belong to, compared by name, and stored anew by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def stored_path(directory: Path, what: str, version: int) -> Path:
    """Returns the path of the numbers of a version, for instance golden/training-v1.json."""
    return directory / f"{what}-v{version}.json"


def store(directory: Path, what: str, version: int, found: Mapping[str, Any]) -> Path:
    """Stores the numbers of a version instead of those of any other one; returns the path."""
    for old in directory.glob(f"{what}-v*.json"):
        old.unlink()
    path = stored_path(directory, what, version)
    path.write_text(json.dumps(found, indent=1) + "\n")
    return path


def check(
    directory: Path,
    what: str,
    version: int,
    found: Mapping[str, Any],
    rtol: float,
    key: str = "",
    only: str = "",
    loose: Mapping[str, float] | None = None,
) -> None:
    """Asserts that numbers are those of the version.

    Args:
        directory: Where they are stored.
        what: "training" or "prepare".
        version: The declared version.
        found: The numbers now, in nested objects; texts must be equal.
        rtol: By which share a number may differ.
        key: Compares with what is stored under this key.
        only: And of that, with this entry alone.
        loose: By which share the numbers of some names may differ instead.
    """
    constant, module = f"{what.upper()}_VERSION", directory.relative_to(Path(__file__).parents[1]).as_posix()
    command = f"python -m {module.replace('/', '.')}"
    path = stored_path(directory, what, version)
    assert path.exists(), f"there are no numbers of {constant} {version}: run `{command}` to store them"
    expected = json.loads(path.read_text())
    expected = expected[key] if key else expected
    expected = {only: expected.get(only)} if only else expected
    moved = list(differences(expected, found, rtol, loose))
    assert not moved, (
        f"the numbers of {what} have changed, but {constant} is still {version}:\n  "
        + "\n  ".join(moved[:40])
        + f"\nIf that is intended: raise {constant} in components/core/versions.py, then run `{command}` to store the "
        "new numbers. If it is not: undo the change that moved them."
    )


def differences(
    expected: Any, found: Any, rtol: float, loose: Mapping[str, float] | None = None, name: str = ""
) -> Iterator[str]:
    """Yields a line for each value that differs, with its name, the stored value and the one found."""
    if isinstance(expected, dict) and isinstance(found, Mapping):
        for key in [*expected, *(key for key in found if key not in expected)]:
            label = f"{name}: {key}" if name else key
            if key not in found or key not in expected:
                state = f"is gone, was {expected[key]!r}" if key in expected else f"is new: {found[key]!r}"
                yield f"{label} {state}"
            else:
                yield from differences(expected[key], found[key], (loose or {}).get(key, rtol), loose, label)
    elif isinstance(expected, float) and isinstance(found, float):
        if abs(found - expected) > rtol * max(abs(expected), 1e-9):
            yield f"{name} is {found:.7g}, was {expected:.7g}"
    elif expected != found:
        yield f"{name} is {found!r}, was {expected!r}"
