"""Sorts records into shards of one instrument family. The contract is DESIGN's sorted set: see nsynth/sorted_set.py.

Part i of every group holds the group's records of the i-th range of source shards, so the number of parts is known
before anything is read, ranges are independent of each other, and the result does not depend on the number of workers.
"""

from __future__ import annotations

import resource
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from components import storage
from components.errors import InputError, nearest
from components.nsynth.families import FAMILIES, SOURCES
from components.nsynth.layout import find_all_shards, find_shards, fingerprint_of
from components.nsynth.sorted_set import SCHEMA_VERSION
from components.sort.copying import GROUPINGS, QUARANTINE, Copied, Part, copy_range
from components.sort.output import clear, finished_sort, write_manifest
from components.storage import ObjectInfo
from components.telemetry import log, metrics, progress

_LOG = log.get(__name__)

ON_BAD_RECORD = ("stop", "quarantine")
_PART_BYTES = 128 << 20  # aimed at, on average over the groups
_GROUPS: dict[str, tuple[str, ...]] = {
    "family": FAMILIES,
    "instrument": (),
    "source": SOURCES,
}  # in totals even if empty
_USUAL_GROUPS = {"family": 10, "instrument": 1000, "source": 1}  # of the public data set


@dataclass(frozen=True)
class SortResult:
    """What is in one sorted split.

    Attributes:
        totals: Records of every group; a family without records is in it with 0.
        quarantined: Records set aside.
        bytes: Size of all the parts.
        fingerprint: Identifies source content, split and grouping.
        reused: Whether an earlier sort's result was found, so that nothing was done.
    """

    totals: dict[str, int]
    quarantined: int
    bytes: int
    fingerprint: str
    reused: bool

    @property
    def records(self) -> int:
        """All records of the source: those of the groups, and the quarantined."""
        return sum(self.totals.values()) + self.quarantined


@dataclass(frozen=True)
class SortedSplits:
    """What `sort_all` gives: the result of every split, and the families to work with (in the order asked for)."""

    splits: dict[str, SortResult]
    families: list[str]

    @property
    def fingerprint(self) -> str:
        """Identifies the content of all splits."""
        return fingerprint_of([], *(result.fingerprint for result in self.splits.values()))

    def summary(self) -> str:
        """Returns one line, for instance "154 records (132 train, 11 valid, 11 test): string, keyboard"."""
        parts = ", ".join(f"{result.records} {split}" for split, result in self.splits.items())
        total = sum(result.records for result in self.splits.values())
        reused = ", sorted before" if all(result.reused for result in self.splits.values()) else ""
        return f"{total} records ({parts}{reused}): {', '.join(self.families)}"


def sort_all(
    source_uri: str,
    out_uri: str,
    families: Sequence[str] = (),
    by: str = "family",
    on_bad_record: str = "stop",
    workers: int = 1,
    overwrite: bool = False,
) -> SortedSplits:
    """Sorts every split of a source. `families` must have records to train on; the rest is as of `sort`."""
    splits = {
        split: sort(source_uri, out_uri, split, by, on_bad_record, workers, overwrite)
        for split in find_all_shards(source_uri)
    }
    if "train" not in splits:
        raise InputError(f"'{source_uri}' has no train split, only {', '.join(splits)}")
    present = [group for group, records in splits["train"].totals.items() if records]
    for family in families:
        if family not in present:
            raise InputError(f"there is no {family} in the train split of '{source_uri}', only {', '.join(present)}")
    return SortedSplits(splits, list(families) or present)


def sort(
    source_uri: str,
    out_uri: str,
    split: str = "train",
    by: str = "family",
    on_bad_record: str = "stop",
    workers: int = 1,
    overwrite: bool = False,
) -> SortResult:
    """Sorts one split of a source; does nothing where the same has been sorted to `out_uri` before.

    Args:
        source_uri: Folder of nsynth-<split>.tfrecord-<i>-of-<n> shards.
        out_uri: Root of the sorted set.
        split: Which split.
        by: "family", "instrument" or "source".
        on_bad_record: What to do with a record that is damaged or has no group: "stop" or "quarantine" (set aside).
        workers: How many ranges of shards are copied at a time.
        overwrite: Whether a sorted set with another fingerprint is replaced.

    Raises:
        InputError: The source is not as expected, a record is bad, or `out_uri` holds another sort's result.
    """
    for option, value, choices in (("by", by, tuple(GROUPINGS)), ("on-bad-record", on_bad_record, ON_BAD_RECORD)):
        if value not in choices:
            raise InputError(f"--{option} is '{value}': {nearest(value, choices)}")
    shards = find_shards(source_uri, split)
    fingerprint = fingerprint_of(shards, SCHEMA_VERSION, split, by, _PART_BYTES)
    split_uri = storage.join(out_uri, split)
    manifest = finished_sort(split_uri, fingerprint, overwrite)
    reused = manifest is not None
    if manifest is None:
        clear(split_uri, (*_GROUPS[by], QUARANTINE))
        copied = _copy(shards, split_uri, by, on_bad_record == "quarantine", workers)
        _check_against_source(source_uri, split, copied)
        identity = {"split": split, "by": by, "fingerprint": fingerprint}
        manifest = write_manifest(source_uri, shards, split_uri, identity, copied, _GROUPS[by])
        _count(manifest)
    elif manifest["quarantined"] and on_bad_record == "stop":
        raise InputError(
            f"'{split_uri}' was sorted with --on-bad-record quarantine and holds bad records; give that again"
        )
    size = sum(entry["bytes"] for entry in manifest["objects"])
    return SortResult(manifest["totals"], manifest["quarantined"], size, fingerprint, reused)


def _copy(shards: list[ObjectInfo], split_uri: str, by: str, quarantine: bool, workers: int) -> list[Copied]:
    """Copies all ranges, some at a time; after a failure the others stop at their next record."""
    ranges = _ranges(shards, by)
    megabytes = sum(shard.size for shard in shards) / 1e6
    lock, stop = threading.Lock(), threading.Event()
    if by == "instrument":
        _allow_open_files()
    with progress.bar(f"sort {storage.basename(split_uri)}", round(megabytes, 1), "MB") as bar:

        def advance(size: int) -> None:
            if stop.is_set():
                raise _Stopped
            with lock:
                bar.advance(size / 1e6)

        with ThreadPoolExecutor(workers, "sort") as pool:
            futures = [
                pool.submit(copy_range, part_shards, Part(split_uri, index, len(ranges)), by, quarantine, advance)
                for index, part_shards in enumerate(ranges)
            ]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                stop.set()
        # The first in the order of the shards, so that the same source gives the same message.
        failures = [error for future in futures if (error := future.exception())]
        for error in sorted(failures, key=lambda error: isinstance(error, _Stopped)):
            raise error
        return [future.result() for future in futures]


class _Stopped(Exception):  # noqa: N818 (not an error of its own)
    """Another range failed."""


def _ranges(shards: list[ObjectInfo], by: str) -> list[list[ObjectInfo]]:
    """Cuts the shards into consecutive ranges whose parts come near _PART_BYTES on average."""
    total = sum(shard.size for shard in shards)
    count = max(1, min(len(shards), round(total / (_PART_BYTES * _USUAL_GROUPS[by]))))
    return [shards[index * len(shards) // count : (index + 1) * len(shards) // count] for index in range(count)]


def _allow_open_files() -> None:
    # Every instrument of a range is one open file, up to 1006 of them; the usual soft limit is 1024.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _check_against_source(source_uri: str, split: str, copied: list[Copied]) -> None:
    """A shard cut off between two records looks whole; TFDS's own count of the records, where there is one, tells."""
    info_uri = storage.join(source_uri, "dataset_info.json")
    if not storage.exists(info_uri) or any(part.quarantine for part in copied):
        return
    lengths = [
        entry.get("shardLengths", []) for entry in storage.read_json(info_uri)["splits"] if entry["name"] == split
    ]
    expected, read = sum(int(length) for found in lengths for length in found), sum(part.read for part in copied)
    if lengths and read != expected:
        raise InputError(
            f"'{source_uri}' has {read} {split} records, its dataset_info.json says {expected}; copy it again"
        )


def _count(manifest: dict[str, Any]) -> None:
    for group, records in manifest["totals"].items():
        metrics.SORT_RECORDS.labels(group, manifest["split"]).inc(records)
    metrics.SORT_BYTES.inc(sum(entry["bytes"] for entry in manifest["objects"]))
    metrics.SORT_QUARANTINED.inc(manifest["quarantined"])
    for entry in manifest["quarantine"]:
        _LOG.warning("quarantined: %s at byte %d: %s", entry["shard"], entry["offset"], entry["reason"])
