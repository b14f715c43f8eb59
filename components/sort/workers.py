"""Many units at a time: processes for the cores; the network's threads are storage's."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_end
from typing import Any

from components import storage
from components.core.errors import StepError
from components.sort.copying import copy_unit
from components.sort.lease import Receipt, write_receipt
from components.sort.units import SortPlan

_POLL_S = 0.1
_WORKER_BYTES = 128 << 20  # less is not worth a process of its own
_REPORT_BYTES = 8 << 20  # how often the copied bytes are told

# Shared counters: bytes, records, and whether to stop.
_BYTES, _RECORDS, _STOP = range(3)
_shared: Any = None


class Stopped(Exception):  # noqa: N818 (not an error of its own)
    """Another unit failed, so this one was given up."""


@dataclass(frozen=True)
class UnitTask:
    """One unit of one split to be copied."""

    plan: SortPlan
    split_uri: str
    unit: int
    quarantine: bool


@dataclass(frozen=True)
class UnitDone:
    """A unit that has been copied, and its retries by operation."""

    task: UnitTask
    receipt: Receipt
    retries: dict[str, int]


def copy_units(tasks: Sequence[UnitTask], workers: int, watch: Callable[[int, int], None]) -> Iterator[UnitDone]:
    """Copies units and writes their receipts, some at a time; yields them as they are done.

    Args:
        tasks: The units.
        workers: Processes; one works in this process.
        watch: Called every now and then with the bytes and records copied so far.

    Raises:
        BadRecord: As of `copy_unit`, the first in the order of the units; the other units stop at their next record.
        StepError: A worker process died.
    """
    total = sum(task.plan.unit_bytes(task.unit) for task in tasks)
    workers = min(workers, len(tasks), 1 + total // _WORKER_BYTES)
    if workers <= 1:
        yield from _copy_here(tasks, watch)
        return
    context = process_context()
    shared = context.Array("q", 3)
    pool = ProcessPoolExecutor(workers, context, _start_worker, (shared,))
    try:
        yield from _follow([pool.submit(_copy, task) for task in tasks], shared, watch)
    finally:
        shared[_STOP] = 1
        pool.shutdown(wait=True, cancel_futures=True)
        watch(shared[_BYTES], shared[_RECORDS])


def process_context() -> Any:
    """Returns how to start processes: a fork takes no time, but would copy threads' locks without their holders."""
    if threading.active_count() == 1:
        return multiprocessing.get_context("fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _follow(futures: list[Future[UnitDone]], shared: Any, watch: Callable[[int, int], None]) -> Iterator[UnitDone]:
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, _POLL_S, FIRST_COMPLETED)
        watch(shared[_BYTES], shared[_RECORDS])
        if any(future.exception() for future in done):
            shared[_STOP] = 1
            wait(futures)
            # The first in the order of the shards, so that the same source gives the same message.
            failures = [error for future in futures if (error := future.exception())]
            raise min(failures, key=lambda error: isinstance(error, Stopped))
        yield from (future.result() for future in done)


def _copy_here(tasks: Sequence[UnitTask], watch: Callable[[int, int], None]) -> Iterator[UnitDone]:
    copied = [0, 0]

    def report(size: int, records: int) -> None:
        copied[0] += size
        copied[1] += records
        watch(*copied)

    for task in tasks:
        yield _copy_with(task, report)


def _copy_with(task: UnitTask, report: Callable[[int, int], None]) -> UnitDone:
    """Copies a unit and leaves its receipt, reporting bytes and records now and then: a record takes some 100 us."""
    pending = [0, 0]

    def advance(size: int, records: int) -> None:
        pending[0] += size
        pending[1] += records
        if pending[0] >= _REPORT_BYTES:
            report(*pending)
            pending[:] = 0, 0

    before = storage.retries()
    receipt = copy_unit(task.plan, task.split_uri, task.unit, task.quarantine, advance)
    write_receipt(task.plan, task.split_uri, task.unit, receipt)
    report(*pending)
    retries = {name: count - before.get(name, 0) for name, count in storage.retries().items()}
    return UnitDone(task, receipt, retries)


def _start_worker(shared: Any) -> None:
    global _shared
    _shared = shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells when to stop
    threading.Thread(target=_end_with_parent, name="orphan-watch", daemon=True).start()


def _end_with_parent() -> None:
    # A killed parent leaves no word, and half a unit is worth nothing.
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_end([parent.sentinel])
        os._exit(1)


def _copy(task: UnitTask) -> UnitDone:
    return _copy_with(task, _report)


def _report(size: int, records: int) -> None:
    with _shared.get_lock():
        _shared[_BYTES] += size
        _shared[_RECORDS] += records
    if _shared[_STOP]:
        raise Stopped


def died(error: BrokenProcessPool) -> StepError:
    """Returns what to say when a worker process was killed."""
    return StepError(
        f"a worker process of the sort died ({error}): killed, or out of memory? Run it again, it continues; "
        "with fewer --workers if memory is short"
    )
