"""Checks of the source, which must be readable, and of the workspace, where an object is written and deleted."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

from components import storage
from components.core.errors import InputError
from components.nsynth.source_fingerprints import EVERY_FAMILY, source_fingerprints
from components.preflight.finding import Finding, Status

STORAGE_LIMIT_S = 75.0
"""How long a check of storage may take: a little longer than its client tries, whose error has the reason."""


def check_workspace(uri: str, in_cluster: bool) -> Iterator[Finding]:
    """Writes an object into the workspace, reads it back and deletes it.

    Args:
        uri: The workspace. A local directory that does not exist yet is not created.
        in_cluster: Whether pods will use it: these do not share a local directory.

    Raises:
        InputError: It cannot be written, or not be deleted.
        StepError: The storage does not answer.
    """
    if not uri:
        raise InputError("parameter 'workspace' is empty: expected a directory or gs://bucket/prefix for the results")
    if in_cluster and not storage.is_remote(uri):
        text = f"'{uri}' is a local path, which the pods of a run do not share"
        yield Finding(
            "workspace", Status.NOTE, text, "expected gs://bucket/prefix, or a volume at this path in all pods"
        )
    directory = uri if storage.is_remote(uri) else _nearest_directory(uri)
    probe = storage.join(directory, f".luthier-{secrets.token_hex(8)}")
    content = probe.encode()
    storage.write_bytes(probe, content, if_generation_match="0")
    try:
        if storage.read_bytes(probe) != content:
            raise InputError(
                f"an object that was written to '{uri}' has another content when it is read; check whether another "
                "program writes there"
            )
    finally:
        _delete(probe)
    yield Finding("workspace", Status.OK, f"{uri} is writable")


def check_source(uri: str) -> Iterator[Finding]:
    """Reads what a source has.

    Raises:
        InputError: It has neither records nor recordings, or cannot be read.
        StepError: The storage does not answer.
    """
    found = source_fingerprints(uri)
    what = "records of every family" if EVERY_FAMILY in found else f"recordings of {', '.join(found)}"
    yield Finding("source", Status.OK, f"{uri} has {what}")


def _nearest_directory(uri: str) -> str:
    """Returns a local directory, or the nearest one above it that exists."""
    storage.exists(uri)  # refuses a scheme that storage does not know
    path = Path(uri).expanduser().absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    if not path.is_dir():
        raise InputError(f"cannot write to '{uri}': '{path}' is not a directory")
    return str(path)


def _delete(probe: str) -> None:
    try:
        storage.delete(probe)
    except OSError as error:
        raise InputError(f"cannot delete '{probe}': {error.strerror}") from error
    except InputError as error:
        raise InputError(
            f"may write but not delete there ({error}); expected a role with storage.objects.delete, such as "
            "roles/storage.objectUser"
        ) from error
