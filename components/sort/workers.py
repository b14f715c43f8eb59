"""Copies many units at a time, in processes, one for each core. The threads for the network are those of storage."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_end
from multiprocessing.context import ForkContext, ForkServerContext
from typing import Any

from components import storage
from components.core.errors import StepError
from components.sort.copying import copy_unit
from components.sort.lease import UnitResult, write_receipt
from components.sort.units import SortPlan
from components.telemetry import log

_POLL_S = 0.1
_WATCH_S = 1.0
_STOP_LIMIT_S = 10.0  # for a worker that is to stop, and waits for a storage that does not answer
_REPORT_BYTES = 8 << 20  # copied between two reports of progress

WORKER_BYTES = 128 << 20
"""The smallest share of a sort that is worth a process of its own."""

# Shared counters: bytes, records, and whether to stop.
_BYTES, _RECORDS, _STOP = range(3)
_shared: Any = None


OnProgress = Callable[[int, int], None]  # bytes, records


class Stopped(Exception):  # noqa: N818 (not an error of its own)
    """Another unit failed, so this one was stopped."""


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
    result: UnitResult
    retries: dict[str, int]


def copy_units(tasks: Sequence[UnitTask], workers: int, report: OnProgress) -> Iterator[UnitDone]:
    """Copies units and writes their receipts, some at a time; yields them as they are done.

    Args:
        tasks: The units.
        workers: The most processes; with 1, this process copies.
        report: Called now and then with the bytes and records copied so far.

    Raises:
        BadRecord: From `copy_unit`, the first in the order of the units; the other units stop at their next record.
        StepError: A worker process died.
    """
    total = sum(task.plan.unit_bytes(task.unit) for task in tasks)
    workers = min(workers, len(tasks), 1 + total // WORKER_BYTES)
    if workers <= 1:
        yield from _copy_in_process(tasks, report)
        return
    context = process_context()
    shared = context.Array("q", 3)
    pool = ProcessPoolExecutor(workers, context, start_worker, (shared, log.verbosity()))
    try:
        yield from _follow([pool.submit(_copy, task) for task in tasks], shared, report)
    finally:
        shared[_STOP] = 1
        pool.shutdown(wait=True, cancel_futures=True)
        report(shared[_BYTES], shared[_RECORDS])


def process_context() -> ForkContext | ForkServerContext:
    """Returns how to start processes: a fork is fast, but copies the locks of other threads without the threads."""
    if threading.active_count() == 1:
        return multiprocessing.get_context("fork")
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload([__name__])
    return forkserver


def _follow(futures: list[Future[UnitDone]], shared: Any, report: OnProgress) -> Iterator[UnitDone]:
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, _POLL_S, FIRST_COMPLETED)
        report(shared[_BYTES], shared[_RECORDS])
        if any(future.exception() for future in done):
            shared[_STOP] = 1
            wait(futures)
            # The first in the order of the shards, so that the same source gives the same message.
            failures = [error for future in futures if (error := future.exception())]
            raise min(failures, key=lambda error: isinstance(error, Stopped | BrokenProcessPool))
        yield from (future.result() for future in done)


def _copy_in_process(tasks: Sequence[UnitTask], report: OnProgress) -> Iterator[UnitDone]:
    copied = [0, 0]

    def add(size: int, records: int) -> None:
        copied[0] += size
        copied[1] += records
        report(*copied)

    for task in tasks:
        yield _copy_with(task, add)


def _copy_with(task: UnitTask, add: OnProgress) -> UnitDone:
    """Copies a unit and writes its receipt. Adds bytes and records now and then, as one record takes about 100 us."""
    pending = [0, 0]

    def advance(size: int, records: int) -> None:
        pending[0] += size
        pending[1] += records
        if pending[0] >= _REPORT_BYTES:
            add(*pending)
            pending[:] = 0, 0

    before = storage.retries()
    result = copy_unit(task.plan, task.split_uri, task.unit, task.quarantine, advance)
    write_receipt(task.plan, task.split_uri, task.unit, result)
    add(*pending)
    retries = {name: count - before.get(name, 0) for name, count in storage.retries().items()}
    return UnitDone(task, result, retries)


def start_worker(shared: Any, verbosity: bool | None) -> None:
    """Prepares a worker process: it has the shared counters, if any, logs as its parent process, and ends with it."""
    global _shared
    _shared = shared
    if verbosity is not None:
        log.setup(verbosity)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process says when to stop
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()


def _end_with_parent() -> None:
    # A parent process that is killed stops nobody, and half a unit is of no use.
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    stop_before = math.inf
    while time.monotonic() < stop_before and not wait_for_end([parent.sentinel], _WATCH_S):
        # Without the lock, which a process that was killed may hold.
        if _shared is not None and _shared.get_obj()[_STOP] and stop_before == math.inf:
            stop_before = time.monotonic() + _STOP_LIMIT_S
    os._exit(1)


def _copy(task: UnitTask) -> UnitDone:
    return _copy_with(task, _add)


def _add(size: int, records: int) -> None:
    with _shared.get_lock():
        _shared[_BYTES] += size
        _shared[_RECORDS] += records
    if _shared[_STOP]:
        raise Stopped


def worker_died(error: BrokenProcessPool) -> StepError:
    """Returns the error for a worker process that was killed."""
    return StepError(
        f"a worker process of the sort died ({error}): was it killed, or out of memory? Run the command again, a sort "
        "continues; if memory is short, with fewer --workers"
    )
