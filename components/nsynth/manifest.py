"""The manifest of a sorted split, <root>/<split>/manifest.json: written last, so a split counts only if it has one."""

from __future__ import annotations

from typing import NotRequired, TypedDict, cast

from components import storage
from components.core.errors import InputError

SPLITS = ("train", "valid", "test")
SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"


class SourceEntry(TypedDict):
    """A shard of the source: its name, bytes, generation (see storage.ObjectInfo), CRC32C in base64, and records."""

    name: str
    size: int
    generation: str
    crc32c: str
    records: int


class PartEntry(TypedDict):
    """A part: its name below the split, its group (a family), and what it holds; CRC32C in base64."""

    name: str
    group: str
    records: int
    bytes: int
    crc32c: str


class BadEntry(TypedDict):
    """A bad record in quarantine: shard, offset and size in bytes, and reason; of 0 bytes for a shard as a whole."""

    shard: str
    offset: int
    bytes: int
    reason: str


class Source(TypedDict):
    """What was sorted."""

    uri: str
    objects: list[SourceEntry]


class Manifest(TypedDict):
    """A sorted split.

    Attributes:
        by: The field that it is sorted by: "family", "instrument" or "source".
        where: Conditions that the records meet; missing in older manifests.
        fingerprint: Identifies the source's content, the split, and how it was sorted.
        records: Records read from the source.
        left_out: Records that do not meet the conditions; missing in older manifests.
        totals: Records of every group.
        quarantined: Bad records, which `quarantine` lists.
        objects: The parts, in order.
    """

    schema_version: int
    split: str
    by: str
    where: NotRequired[list[str]]
    fingerprint: str
    source: Source
    records: int
    left_out: NotRequired[int]
    totals: dict[str, int]
    quarantined: int
    quarantine: list[BadEntry]
    objects: list[PartEntry]


def read_manifest(split_uri: str) -> Manifest | None:
    """Returns the manifest of <root>/<split>, or None where no sort has finished; InputError for another schema."""
    uri = storage.join(split_uri, MANIFEST_NAME)
    if not storage.exists(uri):
        return None
    manifest = storage.read_json(uri)
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(
            f"cannot read '{uri}': it has schema version {version!r}, expected {SCHEMA_VERSION}; sort again with "
            "`luthier sort --overwrite`"
        )
    return cast(Manifest, manifest)
