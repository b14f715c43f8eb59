"""Sorts records into shards of one instrument family. For the format of the result see nsynth/sorted_set.py.

A sort is planned (units.py) and acquires the lease on its output (lease.py). Its units are copied, many at once, and
each leaves a receipt (copying.py, workers.py). The manifest commits it (commit.py). A sort that was killed at any
point is continued by the next one.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from components import storage
from components.core.errors import InputError, StepError, nearest
from components.core.text import counted
from components.nsynth.layout import all_splits
from components.nsynth.manifest import Manifest
from components.sort import lease
from components.sort.commit import commit, finished_sort
from components.sort.result import SortedSplits, SortResult
from components.sort.units import SortPlan, plan_sort
from components.sort.workers import OnProgress, UnitDone, UnitTask, copy_units, worker_died
from components.telemetry import log, metrics, progress

_LOG = log.get(__name__)

ON_BAD_RECORD = ("stop", "quarantine")


@dataclass(frozen=True)
class SortOptions:
    """How to sort.

    Attributes:
        by: "family", "instrument" or "source".
        where: Conditions that a record must meet to be taken; see conditions.py.
        on_bad_record: For a record that is damaged or has no group: "stop", or "quarantine" to set it aside.
        workers: How many processes copy.
        overwrite: Whether another sort's result, or its lease on the output, is replaced.
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
        source_uri: Directory of nsynth-<split>.tfrecord-<i>-of-<n> shards.
        out_uri: Root of the sorted set.
        splits: Which splits; empty for all that are there.
        options: How to sort.

    Raises:
        InputError: The source is not as expected, a record is bad, `out_uri` holds another sort's result, or the
            conditions leave out every record.
        StepError: A worker died, or another sort took the output over.
    """
    options = options or SortOptions()
    plans = [plan_sort(source_uri, split, options.by, options.where) for split in splits or all_splits(source_uri)]
    results, pending = {}, list[tuple[SortPlan, str]]()
    for plan in plans:
        split_uri = storage.join(out_uri, plan.split)
        manifest = _reusable(plan, split_uri, options)
        if manifest is not None:
            results[plan.split] = SortResult.of(manifest, reused=True)
        else:
            pending.append((plan, split_uri))
    if pending:
        for split, manifest in _sort_pending(pending, options).items():
            results[split] = SortResult.of(manifest, reused=False)
    done = SortedSplits({plan.split: results[plan.split] for plan in plans})
    done.check_not_empty(options.where)
    return done


def _reusable(plan: SortPlan, split_uri: str, options: SortOptions) -> Manifest | None:
    manifest = finished_sort(plan, split_uri, options.overwrite)
    if manifest is not None:
        lease.delete_state(split_uri)  # of a sort that was killed after it wrote its manifest
        if manifest["quarantined"] and not options.quarantine:
            raise InputError(
                f"'{split_uri}' was sorted with --on-bad-record quarantine and has bad records; "
                "give --on-bad-record quarantine again"
            )
    return manifest


def _sort_pending(pending: list[tuple[SortPlan, str]], options: SortOptions) -> dict[str, Manifest]:
    """Copies the units of the plans that are not done, and commits; releases this sort's leases after a failure."""
    acquired = list[tuple[SortPlan, str]]()
    try:
        for plan, split_uri in pending:
            if lease.acquire(plan, split_uri, options.overwrite):
                acquired.append((plan, split_uri))
        tasks = [task for plan, split_uri in pending for task in _pending_tasks(plan, split_uri, options.quarantine)]
        copy(tasks, options.workers)
    except BaseException as error:
        _release(acquired)
        overtaken = isinstance(error, OSError | StepError) and all(finished_sort(*each) for each in pending)
        if not overtaken:
            raise
    try:
        return {plan.split: commit(plan, split_uri, options.quarantine) for plan, split_uri in pending}
    except BaseException:
        _release(acquired)
        raise


def _release(acquired: list[tuple[SortPlan, str]]) -> None:
    for plan, split_uri in acquired:
        lease.release(plan, split_uri)


def _pending_tasks(plan: SortPlan, split_uri: str, quarantine: bool) -> list[UnitTask]:
    done = lease.read_receipts(plan, split_uri, quarantine)
    if done:
        _LOG.info("%s: done already: %d of %s", split_uri, len(done), counted(plan.units, "unit"))
    return [UnitTask(plan, split_uri, unit, quarantine) for unit in range(plan.units) if unit not in done]


def copy(tasks: Sequence[UnitTask], workers: int) -> None:
    """Copies units, showing records/s, MB/s and time left, and counting them for Prometheus. Errors as in `sort`."""
    if not tasks:
        return
    if any(task.plan.by == "instrument" for task in tasks):
        _allow_open_files()
    total_mb = sum(task.plan.unit_bytes(task.unit) for task in tasks) / 1e6
    splits = ", ".join(dict.fromkeys(task.plan.split for task in tasks))
    try:
        with progress.bar(f"sort {splits}", total_mb, "MB") as bar:
            for done in copy_units(tasks, workers, _reporter(bar)):
                _report(done)
    except BrokenProcessPool as error:
        raise worker_died(error) from error


def _reporter(bar: progress.Bar) -> OnProgress:
    start = time.monotonic()

    def report(size: int, records: int) -> None:
        seconds = max(time.monotonic() - start, 1e-3)
        text = f"{counted(records, 'record')}, {records / seconds:,.0f} records/s"
        bar.advance(size / 1e6 - bar.done, text)

    return report


def _allow_open_files() -> None:
    # A unit has one open file for each of up to 1006 instruments; the usual soft limit is 1024.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _report(done: UnitDone) -> None:
    for bad in done.result["quarantine"]:
        _LOG.warning("quarantined: %s at byte %d: %s", bad["shard"], bad["offset"], bad["reason"])
    if metrics.are_served():
        from components.sort import counters

        counters.count(done)
