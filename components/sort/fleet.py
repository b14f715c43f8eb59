"""A sort by many workers that share nothing but the output: the pipeline's plan, its workers, and the seal.

The claim that `begin` leaves holds the plan, so a worker needs to know only the output and which share is its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from components import storage
from components.core.errors import InputError
from components.nsynth.layout import find_all_shards
from components.nsynth.sorted_set import SortedSet
from components.sort.commit import finished_sort, seal
from components.sort.lease import claimed_plans, read_receipts, take_claim
from components.sort.result import SortedSplits, SortResult
from components.sort.step import copy
from components.sort.units import SortPlan, plan_sort
from components.sort.workers import UnitTask

_WORKER_BYTES = 1 << 30  # less is not worth a worker of its own: a pod takes longer to start than to copy this


def begin(source_uri: str, sorted_uri: str, max_workers: int) -> list[str]:
    """Plans the sort of every split by family, claims the output, and shares the work out.

    Args:
        source_uri: Folder of nsynth-<split>.tfrecord-<i>-of-<n> shards.
        sorted_uri: Root of the sorted set.
        max_workers: The most workers.

    Returns:
        One share for each worker, "2/8" for the second of eight: at least one, which may have nothing to do.

    Raises:
        InputError: The source is not as expected, or the output is taken by another sort.
    """
    if max_workers < 1:
        raise InputError(f"parameter 'sort_workers' is {max_workers}: expected 1 or more")
    plans = [plan_sort(source_uri, split) for split in find_all_shards(source_uri)]
    open_plans = [plan for plan in plans if finished_sort(plan, storage.join(sorted_uri, plan.split)) is None]
    for plan in open_plans:
        take_claim(plan, storage.join(sorted_uri, plan.split), overwrite=False)
    total = sum(shard.size for plan in open_plans for shard in plan.shards)
    units = sum(plan.units for plan in open_plans)
    workers = max(1, min(max_workers, units, -(-total // _WORKER_BYTES)))
    return [f"{worker}/{workers}" for worker in range(1, workers + 1)]


def work(sorted_uri: str, share: str) -> int:
    """Copies one share of the units that `begin` planned, those with a receipt excepted.

    Args:
        sorted_uri: Root of the sorted set.
        share: For instance "2/8".

    Returns:
        How many units were copied.
    """
    tasks = _share_of(claimed_plans(sorted_uri), sorted_uri, share)
    done = {
        (split_uri, unit)
        for split_uri, plan in {task.split_uri: task.plan for task in tasks}.items()
        for unit in read_receipts(plan, split_uri, quarantine=False)
    }
    waiting = [task for task in tasks if (task.split_uri, task.unit) not in done]
    copy(waiting, workers=1)
    return len(waiting)


def _share_of(plans: Sequence[SortPlan], sorted_uri: str, share: str) -> list[UnitTask]:
    """Cuts all units into consecutive shares of about equal bytes and returns one of them."""
    number, _, count = share.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise InputError(f"the share is '{share}': expected i/n, for instance 2/8")
    tasks = [
        UnitTask(plan, storage.join(sorted_uri, plan.split), unit, quarantine=False)
        for plan in plans
        for unit in range(plan.units)
    ]
    total, before, mine = sum(task.plan.unit_bytes(task.unit) for task in tasks), 0, []
    for task in tasks:
        size = task.plan.unit_bytes(task.unit)
        middle = before + size / 2
        before += size
        if int(middle * int(count) / max(total, 1)) == int(number) - 1:
            mine.append(task)
    return mine


def finish(sorted_uri: str) -> SortedSplits:
    """Seals every split whose units are all copied, and returns what is in the sorted set.

    Raises:
        StepError: A unit is missing, or another sort has taken the output over.
    """
    reused = set(SortedSet.open(sorted_uri).splits()) if not claimed_plans(sorted_uri) else set()
    for plan in claimed_plans(sorted_uri):
        seal(plan, storage.join(sorted_uri, plan.split), quarantine=False)
    manifests = SortedSet.open(sorted_uri).manifests
    return SortedSplits({split: SortResult.of(found, split in reused) for split, found in manifests.items()})
