"""The manifest of a sorted split, <root>/<split>/manifest.json: written last, so a split counts only if it has one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NotRequired, TypedDict

from components import storage
from components.core.errors import InputError
from components.core.fields import Fields
from components.nsynth.families import FAMILIES

SPLITS = ("train", "valid", "test")
SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"
_GROUPINGS = ("family", "instrument", "source")
_CRC32C = re.compile(r"[A-Za-z0-9+/]{6}==")


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
    """A bad record in quarantine: shard, offset and size in bytes, and reason; of 0 bytes for a shard as a whole.

    `lost` says how many records are lost there, by dataset_info.json; one where it is missing.
    """

    shard: str
    offset: int
    bytes: int
    reason: str
    lost: NotRequired[int]


def lost_records(entries: Iterable[BadEntry]) -> int:
    """Returns how many records are lost in a quarantine."""
    return sum(entry.get("lost", 1) for entry in entries)


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
        quarantined: Records that are bad or lost, which `quarantine` lists.
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
    """Returns the manifest of <root>/<split>, or None where no sort has finished.

    Raises:
        InputError: It has another schema, or is not a manifest; nothing in it is trusted before that is known.
    """
    uri = storage.join(split_uri, MANIFEST_NAME)
    if not storage.exists(uri):
        return None
    try:
        values = storage.read_json(uri)
    except storage.NotJson as error:
        raise InputError(f"{error}; sort again with `luthier sort --overwrite`") from error
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(
            f"cannot read '{uri}': it has schema version {str(version)[:20]}, expected {SCHEMA_VERSION}; sort again "
            "with `luthier sort --overwrite`"
        )
    try:
        return _parse(Fields(values, uri, "a sorted split's manifest"))
    except InputError as error:
        raise InputError(f"{error}; sort again with `luthier sort --overwrite`") from error


def _parse(fields: Fields) -> Manifest:
    source, by = fields.required("source"), fields.one_of("by", _GROUPINGS)
    totals = {name: fields.required("totals").whole(name, low=0) for name in fields.required("totals").values}
    if by == "family" and not totals.keys() <= set(FAMILIES):
        raise fields.wrong("totals", "numbers of records by family")
    found: Manifest = {
        "schema_version": SCHEMA_VERSION,
        "split": fields.name("split"),
        "by": by,
        "fingerprint": fields.name("fingerprint"),
        "source": {"uri": source.text("uri"), "objects": source.each("objects", source_entry)},
        "records": fields.whole("records", low=0),
        "totals": totals,
        "quarantined": fields.whole("quarantined", low=0),
        "quarantine": fields.each("quarantine", bad_entry),
        "objects": fields.each("objects", part_entry),
    }
    if "where" in fields.values:
        found["where"] = list(fields.texts("where"))
    if "left_out" in fields.values:
        found["left_out"] = fields.whole("left_out", low=0)
    return found


def source_entry(fields: Fields) -> SourceEntry:
    """Returns a checked entry of a shard; InputError if it is none."""
    return {
        "name": fields.text("name"),
        "size": fields.whole("size", low=0),
        "generation": fields.text("generation"),
        "crc32c": fields.text("crc32c"),
        "records": fields.whole("records", low=0),
    }


def part_entry(fields: Fields) -> PartEntry:
    """Returns a checked entry of a part; InputError if it is none, or its name is not that of one in its group."""
    name, group, crc32c = fields.text("name"), fields.text("group"), fields.text("crc32c")
    if storage.check_name(name).rpartition("/")[0] != group:
        raise fields.wrong("name", f"a name below '{group[:80]}'")
    if not _CRC32C.fullmatch(crc32c):
        raise fields.wrong("crc32c", "a CRC32C in base64")
    records, size = fields.whole("records", low=0), fields.whole("bytes", low=0)
    return {"name": name, "group": group, "records": records, "bytes": size, "crc32c": crc32c}


def bad_entry(fields: Fields) -> BadEntry:
    """Returns a checked entry of a bad record; InputError if it is none."""
    entry: BadEntry = {
        "shard": fields.text("shard"),
        "offset": fields.whole("offset", low=0),
        "bytes": fields.whole("bytes", low=0),
        "reason": fields.text("reason"),
    }
    if "lost" in fields.values:
        entry["lost"] = fields.whole("lost", low=1)
    return entry
