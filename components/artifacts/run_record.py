"""run.json: what a training is, how far it is, and from what it was made."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from components import storage
from components.core import environment
from components.core.errors import InputError
from components.core.fingerprint import content_fingerprint, fingerprint
from components.core.versions import training_code
from components.nsynth.sorted_set import SortedSet

RECORD_NAME = "run.json"
_PACKAGES = ("ddsp", "gin-config", "numpy", "tensorflow", "tensorflow-probability", "tf-keras")


def describe(
    data: SortedSet,
    family: str,
    synth: str,
    preset: str,
    bindings: Sequence[str],
    facts: dict[str, Any] | None = None,
    config: str = "",
    warm: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Returns the record of a training that is about to start.

    Args:
        data: The sorted set.
        family: Which of its families.
        synth: Which synthesizer.
        preset: Which preset.
        bindings: Gin bindings from outside.
        facts: Further entries, for instance "run_id"; they go before what is found here, such as "git_commit".
        config: The whole gin configuration, where it is not that of the preset and the bindings.
        warm: The model that it begins with; see warm.warm_start.
    """
    record = {
        "family": family,
        "synth": synth,
        "preset": preset,
        "bindings": list(bindings),
        "data_uri": data.uri if storage.is_remote(data.uri) else str(Path(data.uri).absolute()),
        "data_fingerprint": data.family_fingerprint(family),
        "code_fingerprint": training_code(),
    }
    # The address of the data is not part of what the training is: the same records elsewhere are the same.
    identity = {name: value for name, value in record.items() if name != "data_uri"}
    identity |= {"config": content_fingerprint([config.encode()], 64)} if config else {}
    return {
        **record,
        **({"warm_start": warm} if warm else {}),
        "fingerprint": fingerprint(identity),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "git_commit": _git_commit(),
        "image": environment.get(environment.TRAIN_IMAGE) or None,
        **(facts or {}),
        "status": "running",
        "started": now(),
    }


def now() -> str:
    """Returns the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _git_commit() -> str | None:
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


def exists(out_uri: str) -> bool:
    """Tells whether there is a record in a directory."""
    return storage.exists(storage.join(out_uri, RECORD_NAME))


def earlier(record: dict[str, Any], out_uri: str) -> dict[str, Any] | None:
    """Returns what an earlier run of the same training wrote to `out_uri`; None where there is nothing.

    Raises:
        InputError: There is another training.
    """
    if not exists(out_uri):
        return None
    found: dict[str, Any] = storage.read_json(storage.join(out_uri, RECORD_NAME))
    if found.get("fingerprint") != record["fingerprint"]:
        names = ("family", "synth", "preset", "bindings", "data_fingerprint", "code_fingerprint")
        other = next((name for name in names if found.get(name) != record[name]), "fingerprint")
        raise InputError(
            f"'{out_uri}' has another training in it: its {other} is {found.get(other)!r}, "
            f"expected {record.get(other)!r}; try another --out"
        )
    return found
