"""Sorts records into shards of one instrument family. The contract is DESIGN's sorted set: see nsynth/sorted_set.py.

A sort is planned (units.py), its units are copied one by one or by many workers at once (copying.py, workers.py), each
leaving a receipt (claim.py), and sealed by its manifest (seal.py). Killed anywhere, it is continued by the next one.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from components import storage
from components.core.errors import InputError, StepError, nearest
from components.nsynth.layout import find_all_shards
from components.sort.commit import finished_sort, seal
from components.sort.lease import clear_state, read_receipts, release_claim, take_claim
from components.sort.result import SortedSplits, SortResult
from components.sort.units import SortPlan, plan_sort
from components.sort.workers import UnitDone, UnitTask, copy_units, died
from components.telemetry import log, metrics, progress

_LOG = log.get(__name__)

ON_BAD_RECORD = ("stop", "quarantine")


@dataclass(frozen=True)
class SortOptions:
    """How to sort.

    Attributes:
        by: "family", "instrument" or "source".
        where: Conditions that a record must meet to be taken; see where.py.
        on_bad_record: What to do with a record that is damaged or has no group: "stop" or "quarantine" (set aside).
        workers: How many processes copy.
        overwrite: Whether another sort's result, or its claim on the place, is replaced.
    """

    by: str = "family"
    where: tuple[str, ...] = ()
    on_bad_record: str = "stop"
    workers: int = 1
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.on_bad_record not in ON_BAD_RECORD:
            raise InputError(f"--on-bad-record is '{self.on_bad_record}': {nearest(self.on_bad_record, ON_BAD_RECORD)}")

    @property
    def quarantine(self) -> bool:
        """Whether bad records are set aside."""
        return self.on_bad_record == "quarantine"


def sort(
    source_uri: str, out_uri: str, splits: Sequence[str] = ("train",), options: SortOptions | None = None
) -> SortedSplits:
    """Sorts splits of a source; does nothing where the same has been sorted to `out_uri` before.

    Args:
        source_uri: Folder of nsynth-<split>.tfrecord-<i>-of-<n> shards.
        out_uri: Root of the sorted set.
        splits: Which splits; empty for all that are there.
        options: How to sort.

    Raises:
        InputError: The source is not as expected, a record is bad, or `out_uri` holds another sort's result.
        StepError: A worker died, or another sort took the place over.
    """
    options = options or SortOptions()
    plans = [plan_sort(source_uri, split, options.by, options.where) for split in splits or find_all_shards(source_uri)]
    results, pending = {}, list[tuple[SortPlan, str]]()
    for plan in plans:
        split_uri = storage.join(out_uri, plan.split)
        manifest = _reusable(plan, split_uri, options)
        if manifest is not None:
            results[plan.split] = SortResult.of(manifest, reused=True)
        else:
            pending.append((plan, split_uri))
    if pending:
        _sort_pending(pending, options)
        for plan, split_uri in pending:
            results[plan.split] = _sealed(plan, split_uri, options)
    return SortedSplits({plan.split: results[plan.split] for plan in plans})


def _reusable(plan: SortPlan, split_uri: str, options: SortOptions) -> dict[str, Any] | None:
    manifest = finished_sort(plan, split_uri, options.overwrite)
    if manifest is not None:
        clear_state(split_uri)  # of a sort that was killed behind its manifest
        if manifest["quarantined"] and not options.quarantine:
            raise InputError(
                f"'{split_uri}' was sorted with --on-bad-record quarantine and holds bad records; give that again"
            )
    return manifest


def _sort_pending(pending: list[tuple[SortPlan, str]], options: SortOptions) -> None:
    """Copies the units of the plans that are not done; what this sort claimed is released after a failure."""
    claimed = list[tuple[SortPlan, str]]()
    try:
        for plan, split_uri in pending:
            if take_claim(plan, split_uri, options.overwrite):
                claimed.append((plan, split_uri))
        tasks = [task for plan, split_uri in pending for task in _open_tasks(plan, split_uri, options.quarantine)]
        copy(tasks, options.workers)
    except BaseException as error:
        for plan, split_uri in claimed:
            release_claim(plan, split_uri)
        lost = isinstance(error, OSError | StepError) and all(finished_sort(*place) for place in pending)
        if not lost:
            raise
        _LOG.warning("another sort of the same was faster; its result is identical and stays")


def _open_tasks(plan: SortPlan, split_uri: str, quarantine: bool) -> list[UnitTask]:
    done = read_receipts(plan, split_uri, quarantine)
    if done:
        _LOG.info("%s: %d of %d units are done already", split_uri, len(done), plan.units)
    return [UnitTask(plan, split_uri, unit, quarantine) for unit in range(plan.units) if unit not in done]


def copy(tasks: Sequence[UnitTask], workers: int) -> None:
    """Copies units, showing records/s, MB/s and time left, and counting them for Prometheus. Errors as of `sort`."""
    if not tasks:
        return
    if any(task.plan.by == "instrument" for task in tasks):
        _allow_open_files()
    total_mb = sum(task.plan.unit_bytes(task.unit) for task in tasks) / 1e6
    splits = ", ".join(dict.fromkeys(task.plan.split for task in tasks))
    try:
        with progress.bar(f"sort {splits}", total_mb, "MB") as bar:
            for done in copy_units(tasks, workers, _watch(bar)):
                _tell(done)
    except BrokenProcessPool as error:
        raise died(error) from error


def _watch(bar: progress.Bar) -> Callable[[int, int], None]:
    begin = time.monotonic()

    def watch(size: int, records: int) -> None:
        seconds = max(time.monotonic() - begin, 1e-3)
        text = f"{records:,} records, {records / seconds:,.0f} records/s"
        bar.advance(size / 1e6 - bar.done, text)

    return watch


def _allow_open_files() -> None:
    # Every instrument of a unit is one open file, up to 1006 of them; the usual soft limit is 1024.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _tell(done: UnitDone) -> None:
    for bad in done.receipt["quarantine"]:
        _LOG.warning("quarantined: %s at byte %d: %s", bad["shard"], bad["offset"], bad["reason"])
    if metrics.are_served():
        from components.sort import counters

        counters.count(done)


def _sealed(plan: SortPlan, split_uri: str, options: SortOptions) -> SortResult:
    return SortResult.of(seal(plan, split_uri, options.quarantine), reused=False)
