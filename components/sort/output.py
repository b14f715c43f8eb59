"""The writing side of a sorted split: what is there already, sweeping it away, the manifest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from components import storage
from components.errors import InputError
from components.nsynth.sorted_set import MANIFEST_NAME, SCHEMA_VERSION, read_manifest
from components.sort.copying import QUARANTINE, Copied, Part
from components.storage import ObjectInfo, crc32c_base64
from components.telemetry import log

_LOG = log.get(__name__)
_PART_NAME = re.compile(r"[^/]+/part-\d{5}-of-\d{5}\.tfrecord")


def finished_sort(split_uri: str, fingerprint: str, overwrite: bool) -> dict[str, Any] | None:
    """Returns the manifest of an earlier sort of the same fingerprint, if all that it names is still there.

    Raises:
        InputError: There is a sort of another fingerprint, and `overwrite` is not set.
    """
    try:
        manifest = read_manifest(split_uri)
    except InputError:
        if overwrite:
            return None
        raise
    if manifest is None:
        return None
    if manifest["fingerprint"] != fingerprint:
        if overwrite:
            return None
        raise InputError(
            f"'{split_uri}' holds another sort, by {manifest['by']} of {manifest['source']['uri']}: its fingerprint is "
            f"{manifest['fingerprint']}, expected {fingerprint}; give another --out, or --overwrite to replace it"
        )
    sizes = {info.name: info.size for info in storage.list_objects(split_uri)}
    if all(sizes.get(entry["name"]) == entry["bytes"] for entry in manifest["objects"]):
        return manifest
    _LOG.warning("%s has lost parts since it was sorted: sorting again", split_uri)
    return None


def clear(split_uri: str, known_groups: Iterable[str]) -> None:
    """Deletes an earlier sort, its manifest first; leaves folders alone that hold anything else.

    Args:
        split_uri: The split's folder.
        known_groups: Groups that may hold a killed writer's leftovers, which listings do not show.
    """
    storage.delete(storage.join(split_uri, MANIFEST_NAME))
    names_by_group: dict[str, list[str]] = {group: [] for group in known_groups}
    for info in storage.list_objects(split_uri):
        if "/" in info.name:
            names_by_group.setdefault(info.name.partition("/")[0], []).append(info.name)
    for group, names in names_by_group.items():
        if all(_PART_NAME.fullmatch(name) for name in names):
            storage.delete_tree(storage.join(split_uri, group))


def write_manifest(
    source_uri: str,
    shards: list[ObjectInfo],
    split_uri: str,
    identity: dict[str, str],
    copied: list[Copied],
    groups: Iterable[str],
) -> dict[str, Any]:
    """Writes the manifest, which makes the sort count, and returns it.

    Args:
        source_uri: The source folder.
        shards: Its shards.
        split_uri: The split's folder.
        identity: split, by and fingerprint.
        copied: What was copied, range by range.
        groups: Groups that are in the totals even without records.
    """
    written = {entry["name"]: entry for part in copied for entry in part.objects}
    found = {str(entry["group"]) for entry in written.values()}
    totals = dict.fromkeys([*groups, *sorted(found - {QUARANTINE})], 0)
    objects = []
    for group in sorted(found):
        for index in range(len(copied)):
            name = Part(split_uri, index, len(copied)).name(group)
            objects.append(written.get(name) or _write_empty_part(split_uri, name, group))
            if group != QUARANTINE:
                totals[group] += int(objects[-1]["records"])
    quarantine = [entry for part in copied for entry in part.quarantine]
    manifest = {
        "schema_version": SCHEMA_VERSION,
        **identity,
        "source": {"uri": source_uri, "objects": [_source_entry(info) for info in shards]},
        "records": sum(part.read for part in copied),
        "totals": totals,
        "quarantined": len(quarantine),
        "quarantine": quarantine,
        "objects": objects,
    }
    storage.write_json(storage.join(split_uri, MANIFEST_NAME), manifest)
    return manifest


def _write_empty_part(split_uri: str, name: str, group: str) -> dict[str, str | int]:
    # A range without a record of this group. A gap among part-i-of-n would look like a lost file.
    storage.write_bytes(storage.join(split_uri, name), b"")
    return {"name": name, "group": group, "records": 0, "bytes": 0, "crc32c": crc32c_base64(0)}


def _source_entry(info: ObjectInfo) -> dict[str, str | int | None]:
    return {"name": info.name, "size": info.size, "generation": info.generation, "crc32c": info.crc32c}
