"""`luthier sort --verify`: reads all of a sorted set again and compares it with its manifests."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from components import storage
from components.core.errors import InputError
from components.core.text import counted
from components.nsynth.framing import Damage, Scanner
from components.nsynth.manifest import MANIFEST_NAME, Manifest, PartEntry
from components.nsynth.sorted_set import SortedSet
from components.nsynth.wire import BadExample
from components.sort.conditions import parse_conditions
from components.sort.routing import QUARANTINE, Router
from components.sort.workers import process_context, start_worker, worker_died
from components.storage import crc32c_base64
from components.telemetry import log, progress

_SHOWN = 5


@dataclass(frozen=True)
class Verified:
    """What was found in one split, which is as its manifest says.

    Attributes:
        totals: Records by group, as read.
        bytes: Bytes read.
        objects: Parts read.
    """

    totals: dict[str, int]
    bytes: int
    objects: int


@dataclass(frozen=True)
class _Part:
    """A part to be read, with its entry in the manifest and how the split is sorted."""

    uri: str
    entry: PartEntry
    by: str
    where: tuple[str, ...]


def verify(sorted_uri: str, workers: int = 1) -> dict[str, Verified]:
    """Reads every part of a sorted set and compares it with the manifests.

    It checks sizes, checksums, both CRCs of every record, the number of records, that every record is in the directory
    of its group, and that the sums are those of the source.

    Args:
        sorted_uri: The set's root.
        workers: Processes.

    Returns:
        What was found, by split.

    Raises:
        InputError: Something is not as the manifest says; the message names the first few faults.
        StepError: A worker process died.
    """
    opened = SortedSet.open(sorted_uri)
    return {split: _verify_split(opened, split, workers) for split in opened.splits()}


def _verify_split(opened: SortedSet, split: str, workers: int) -> Verified:
    manifest, split_uri = opened.manifests[split], storage.join(opened.uri, split)
    where = tuple(manifest.get("where", ()))
    try:
        parse_conditions(where)
    except InputError as error:
        raise InputError(f"'{split_uri}' has a {MANIFEST_NAME} with a wrong 'where': {error}; sort again") from error
    entries = manifest["objects"]
    parts = [_Part(storage.join(split_uri, entry["name"]), entry, manifest["by"], where) for entry in entries]
    total_bytes = sum(entry["bytes"] for entry in entries)
    faults: list[str] = []
    with progress.bar(f"verify {split}", total_bytes / 1e6, "MB") as bar:
        for entry, found in zip(entries, _read_all(parts, workers), strict=True):
            faults += found
            bar.advance(entry["bytes"] / 1e6)
        faults += _wrong_sums(manifest)
        if faults:
            more = f" (and {len(faults) - _SHOWN} more)" if len(faults) > _SHOWN else ""
            raise InputError(
                f"'{split_uri}' differs from its {MANIFEST_NAME}: {'; '.join(faults[:_SHOWN])}{more}; sort again"
            )
    return Verified(manifest["totals"], total_bytes, len(entries))


def _read_all(parts: Sequence[_Part], workers: int) -> Iterator[list[str]]:
    workers = min(workers, len(parts))
    if workers <= 1:
        yield from map(_faults, parts)
        return
    try:
        with ProcessPoolExecutor(workers, process_context(), start_worker, (None, log.verbosity())) as pool:
            yield from pool.map(_faults, parts)
    except BrokenProcessPool as error:
        raise worker_died(error) from error


def _faults(part: _Part) -> list[str]:
    """Returns what is wrong with one part."""
    name, entry = part.entry["name"], part.entry
    info = storage.stat(part.uri)
    if info is None:
        return [f"{name} is missing"]
    if info.size != entry["bytes"]:
        return [f"{name} has {counted(info.size, 'byte')}, expected {entry['bytes']:,}"]
    wrong = Counter[str]()
    with storage.open_object(info) as stream:
        scanner = Scanner(stream, name, info.size)
        router = _router(part.by, part.where)
        for item in scanner:
            if entry["group"] == QUARANTINE:
                continue
            if isinstance(item, Damage):
                wrong[f"byte {item.offset}: {item.reason}"] += 1
            elif (group := _group(router, item.payload)) != entry["group"]:
                wrong[f"byte {item.offset}: the record belongs to {group}"] += 1
    faults = [f"{name} at {fault}" for fault in wrong]
    if crc32c_base64(scanner.crc32c) != entry["crc32c"]:
        faults.append(f"{name} has the CRC32C {crc32c_base64(scanner.crc32c)}, expected {entry['crc32c']}")
    if entry["group"] != QUARANTINE and scanner.records != entry["records"]:
        faults.append(f"{name} has {counted(scanner.records, 'record')}, expected {entry['records']:,}")
    return faults


@functools.cache
def _router(by: str, where: tuple[str, ...]) -> Router:
    return Router(by, parse_conditions(where))


def _group(router: Router, payload: bytes) -> str:
    try:
        return router.group(payload) or "no group: --where leaves it out"
    except BadExample as error:
        return f"no group: {error}"


def _wrong_sums(manifest: Manifest) -> list[str]:
    """Returns where the manifest contradicts itself: its records read, left out, set aside and written must add up."""
    totals = Counter[str]()
    for entry in manifest["objects"]:
        totals[entry["group"]] += entry["records"]
    faults = [
        f"{group} has {counted(totals[group], 'record')} in its parts and {records:,} in the totals"
        for group, records in manifest["totals"].items()
        if totals[group] != records
    ]
    bad = sum(bool(entry["bytes"]) for entry in manifest["quarantine"])
    accounted = sum(manifest["totals"].values()) + manifest.get("left_out", 0) + bad
    if accounted != manifest["records"]:
        faults.append(
            f"the source had {counted(manifest['records'], 'record')}, the manifest accounts for {accounted:,}"
        )
    return faults
