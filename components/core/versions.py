"""Which code made this: cache keys and run names change when, and only when, the code that matters does."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

_HERE = Path(__file__).parents[1]
_SUFFIXES = (".py", ".gin", ".html", ".css", ".js", ".json")


def code_fingerprint(*parts: str, packages: tuple[str, ...] = ()) -> str:
    """Fingerprints the source of some parts of Luthier and the versions of some packages it runs on.

    Args:
        *parts: Folders of `components`, for instance "synths"; all of it when none is given.
        packages: Distributions whose versions count as well: those that Luthier pins, since the data steps, which
            have to know, run where TensorFlow is not installed.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for root in [_HERE / part for part in parts] or [_HERE]:
        for path in sorted(path for path in root.rglob("*") if path.suffix in _SUFFIXES):
            digest.update(path.relative_to(_HERE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    pinned = metadata.requires("luthier") or []
    for package in packages:
        (version,) = (each for each in pinned if each.startswith(f"{package}=="))
        digest.update(version.encode() + b"\0")
    return digest.hexdigest()[:16]


def training_code() -> str:
    """Returns the fingerprint of all code that decides what a training's numbers are."""
    return code_fingerprint("nsynth", "config", "synths", "train", packages=("ddsp", "tensorflow"))
