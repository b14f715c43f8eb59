"""The manifest of a sorted split, <root>/<split>/manifest.json: written last, so it alone tells what is there."""

from __future__ import annotations

from typing import Any

from components import storage
from components.core.errors import InputError

SPLITS = ("train", "valid", "test")
SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"


def read_manifest(split_uri: str) -> dict[str, Any] | None:
    """Returns the manifest of <root>/<split>, or None where no sort has finished; InputError for another schema."""
    uri = storage.join(split_uri, MANIFEST_NAME)
    if not storage.exists(uri):
        return None
    manifest = storage.read_json(uri)
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(
            f"'{uri}' is not a sorted set's manifest of schema {SCHEMA_VERSION} (got {version!r}); sort again"
        )
    result: dict[str, Any] = manifest
    return result
