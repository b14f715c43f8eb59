"""The end of a sort: all receipts together, their sums checked, and the manifest, written last and once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from components import storage
from components.core.errors import InputError, StepError
from components.core.text import counted
from components.nsynth.layout import fingerprint_of
from components.nsynth.manifest import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    Manifest,
    PartEntry,
    SourceEntry,
    lost_records,
    read_manifest,
)
from components.sort import lease
from components.sort.lease import Receipt
from components.sort.routing import GROUPINGS, QUARANTINE
from components.sort.units import Shard, SortPlan
from components.storage import ObjectInfo, crc32c_base64
from components.telemetry import log

_LOG = log.get(__name__)
_PART_NAME = re.compile(r"[^/]+/part-\d{5}-of-\d{5}\.tfrecord")
_THREADS = 8  # for small objects


def finished_sort(plan: SortPlan, split_uri: str, overwrite: bool = False) -> Manifest | None:
    """Returns the manifest of an earlier sort with the same plan, if all parts that it names are still there.

    Raises:
        InputError: There is a sort of something else, and `overwrite` is not set.
    """
    try:
        manifest = read_manifest(split_uri)
    except InputError:
        if overwrite:
            return None
        raise
    if manifest is None:
        return None
    expected = _fingerprint(plan, manifest["source"]["objects"])
    if manifest["fingerprint"] != expected:
        if overwrite:
            return None
        raise InputError(
            f"cannot sort to '{split_uri}': it holds another sort, by {manifest['by']} of {manifest['source']['uri']}, "
            f"with fingerprint {manifest['fingerprint']}, expected {expected}; sort into another directory, or replace "
            "it with `luthier sort --overwrite`"
        )
    sizes = {info.name: info.size for info in storage.list_objects(split_uri)}
    if all(sizes.get(entry["name"]) == entry["bytes"] for entry in manifest["objects"]):
        return manifest
    _LOG.warning("'%s' has lost parts since it was sorted: sorting again", split_uri)
    storage.delete(storage.join(split_uri, MANIFEST_NAME))
    return None


def commit(plan: SortPlan, split_uri: str, quarantine: bool) -> Manifest:
    """Checks a sort whose units are all copied, and writes its manifest, which makes the split readable.

    Args:
        plan: The sort.
        split_uri: The split's directory in the output.
        quarantine: Whether bad records may have been set aside.

    Returns:
        The manifest: this sort's, or the equal one of another sort that was faster.

    Raises:
        Changed: A shard of the source was replaced.
        StepError: A unit has no valid receipt, or another sort holds the lease.
    """
    receipts = lease.read_receipts(plan, split_uri, quarantine)
    missing = sorted(set(range(plan.units)) - receipts.keys())
    if missing:
        finished = finished_sort(plan, split_uri)  # which deleted the receipts
        if finished is not None:
            lease.delete_state(split_uri)  # the receipts that this sort has written since
            return _of_another_sort(finished, split_uri)
        raise StepError(
            f"cannot commit '{split_uri}': it lacks {len(missing)} of {counted(plan.units, 'unit')} "
            f"(number {missing[0]}); sort again: the sort continues"
        )
    lease.verify(plan, split_uri)
    _check_source(plan, receipts)
    manifest = _manifest(plan, split_uri, [receipts[unit] for unit in range(plan.units)])
    _delete_stale_parts(split_uri, {entry["name"] for entry in manifest["objects"]})
    try:
        storage.write_json(storage.join(split_uri, MANIFEST_NAME), manifest, if_generation_match="0")
    except storage.Conflict:
        other = finished_sort(plan, split_uri)
        if other is None or other["objects"] != manifest["objects"]:
            raise StepError(f"another sort wrote '{split_uri}' while this one was at work; sort again") from None
        manifest = _of_another_sort(other, split_uri)
    lease.delete_state(split_uri)
    return manifest


def _of_another_sort(manifest: Manifest, split_uri: str) -> Manifest:
    _LOG.warning("'%s': another sort of the same was faster; its identical result is kept", split_uri)
    return manifest


def _fingerprint(plan: SortPlan, sources: Iterable[SourceEntry]) -> str:
    """Identifies the sort by content. The shards' checksums are those in `sources` where it has the same versions."""
    known = {(entry["name"], entry["size"], entry["generation"]): entry["crc32c"] for entry in sources}
    infos = [_with_checksum(shard, known.get((shard.name, shard.size, shard.generation))) for shard in plan.shards]
    return fingerprint_of(infos, SCHEMA_VERSION, plan.split, plan.by, json.dumps([plan.where, plan.ends]))


def _with_checksum(shard: Shard, known: str | None) -> ObjectInfo:
    info = storage.stat(shard.uri) if not (known or shard.crc32c) else None  # its checksum has to be computed
    crc32c = known or shard.crc32c
    return ObjectInfo(shard.uri, shard.name, shard.size, shard.generation, lambda: info.crc32c if info else crc32c)


def _check_source(plan: SortPlan, receipts: Mapping[int, Receipt]) -> None:
    """Every shard still has the bytes that were read; other ones must not go unnoticed."""
    now = {info.uri: info for info in storage.list_objects(plan.source_uri)}
    read = {entry["name"]: entry["crc32c"] for receipt in receipts.values() for entry in receipt["sources"]}
    for shard in plan.shards:
        info = now.get(shard.uri)
        is_same = info is not None and info.size == shard.size
        # A shard that was only touched, or uploaded again, has another generation and the same checksum.
        if info is None or not is_same or (info.generation != shard.generation and info.crc32c != read[shard.name]):
            what = "was deleted" if info is None else "was replaced"
            raise storage.Changed(f"'{shard.uri}' {what} while the sort was at work; sort again")


def _manifest(plan: SortPlan, split_uri: str, receipts: list[Receipt]) -> Manifest:
    written = {entry["name"]: entry for receipt in receipts for entry in receipt["objects"]}
    found = sorted({entry["group"] for entry in written.values()})
    names = [(plan.part_name(group, unit), group) for group in found for unit in range(plan.units)]
    with ThreadPoolExecutor(_THREADS) as pool:
        gaps = [name for name in names if name[0] not in written]
        written.update((entry["name"], entry) for entry in pool.map(partial(_write_empty_part, split_uri), gaps))
    objects = [written[name] for name, _ in names]
    totals = dict.fromkeys([*GROUPINGS[plan.by].always, *(group for group in found if group != QUARANTINE)], 0)
    for entry in objects:
        if entry["group"] != QUARANTINE:
            totals[entry["group"]] += entry["records"]
    sources = [entry for receipt in receipts for entry in receipt["sources"]]
    bad = [entry for receipt in receipts for entry in receipt["quarantine"]]
    records, left_out = sum(each["records"] for each in receipts), sum(each["left_out"] for each in receipts)
    # An entry of 0 bytes is about a shard as a whole, not about a record.
    if sum(totals.values()) + left_out + sum(bool(entry["bytes"]) for entry in bad) != records:
        raise RuntimeError(f"'{split_uri}': read {counted(records, 'record')}, and wrote another number: {totals}")
    return {
        "schema_version": SCHEMA_VERSION,
        "split": plan.split,
        "by": plan.by,
        "where": list(plan.where),
        "fingerprint": _fingerprint(plan, sources),
        "source": {"uri": plan.source_uri, "objects": sources},
        "records": records,
        "left_out": left_out,
        "totals": totals,
        "quarantined": lost_records(bad),
        "quarantine": bad,
        "objects": objects,
    }


def _write_empty_part(split_uri: str, name_and_group: tuple[str, str]) -> PartEntry:
    # A unit without a record of this group. A gap among part-i-of-n would look like a lost file.
    name, group = name_and_group
    storage.write_bytes(storage.join(split_uri, name), b"")
    return {"name": name, "group": group, "records": 0, "bytes": 0, "crc32c": crc32c_base64(0)}


def _delete_stale_parts(split_uri: str, names: set[str]) -> None:
    """Deletes parts of earlier sorts, and no other file."""
    for info in storage.list_objects(split_uri):
        if _PART_NAME.fullmatch(info.name) and info.name not in names:
            storage.delete(info.uri)
