"""A sort by many pods that share nothing but the output: the plan, one share of the units for each pod, the commit.

The lease that `plan_shares` acquires holds the plan, so a pod needs to know only the output and its share.
"""

from __future__ import annotations

from collections.abc import Sequence

from components import storage
from components.core.errors import InputError
from components.nsynth.layout import all_splits
from components.nsynth.sorted_set import SortedSet
from components.sort import lease
from components.sort.commit import commit, finished_sort
from components.sort.result import SortedSplits, SortResult
from components.sort.step import copy
from components.sort.units import SortPlan, plan_sort
from components.sort.workers import UnitTask

SHARE_BYTES = 1 << 30
"""The smallest share that is worth a pod of its own, which takes longer to start than to copy it."""


def plan_shares(source_uri: str, sorted_uri: str, max_workers: int) -> list[str]:
    """Plans the sort of every split by family, acquires the lease on the output, and divides the units into shares.

    Args:
        source_uri: Directory of nsynth-<split>.tfrecord-<i>-of-<n> shards.
        sorted_uri: Root of the sorted set.
        max_workers: The most pods.

    Returns:
        One share for each pod, "2/8" for the second of eight: at least one, which may have nothing to do.

    Raises:
        InputError: The source is not as expected, or another sort holds the output.
    """
    if max_workers < 1:
        raise InputError(f"parameter 'sort_workers' is {max_workers}: expected 1 or more")
    plans = [plan_sort(source_uri, split) for split in all_splits(source_uri)]
    pending = [plan for plan in plans if not _is_finished(plan, storage.join(sorted_uri, plan.split))]
    for plan in pending:
        lease.acquire(plan, storage.join(sorted_uri, plan.split), overwrite=False)
    total = sum(shard.size for plan in pending for shard in plan.shards)
    units = sum(plan.units for plan in pending)
    workers = max(1, min(max_workers, units, -(-total // SHARE_BYTES)))
    return [f"{worker}/{workers}" for worker in range(1, workers + 1)]


def copy_share(sorted_uri: str, share: str) -> int:
    """Copies one share of the units that `plan_shares` planned, except those that have a receipt.

    Args:
        sorted_uri: Root of the sorted set.
        share: For instance "2/8".

    Returns:
        How many units were copied.
    """
    tasks = _tasks_of(share, lease.active_plans(sorted_uri), sorted_uri)
    done = {
        (split_uri, unit)
        for split_uri, plan in {task.split_uri: task.plan for task in tasks}.items()
        for unit in lease.read_receipts(plan, split_uri, quarantine=False)
    }
    pending = [task for task in tasks if (task.split_uri, task.unit) not in done]
    copy(pending, workers=1)
    return len(pending)


def commit_sorted_set(sorted_uri: str) -> SortedSplits:
    """Commits every split whose units are all copied, and returns what is in the sorted set.

    Raises:
        StepError: A unit is missing, or another sort holds the output.
    """
    plans = lease.active_plans(sorted_uri)
    reused = set() if plans else set(SortedSet.open(sorted_uri).splits())
    for plan in plans:
        _commit(plan, sorted_uri)
    manifests = SortedSet.open(sorted_uri).manifests
    return SortedSplits({split: SortResult.of(found, split in reused) for split, found in manifests.items()})


def commit_complete_splits(sorted_uri: str) -> None:
    """Commits the splits whose units are all copied: the worker that copies the last unit of a split commits it.

    Several workers may do so at once; the commits are equal, and the first one counts.
    """
    for plan in lease.active_plans(sorted_uri):
        split_uri = storage.join(sorted_uri, plan.split)
        if len(lease.read_receipts(plan, split_uri, quarantine=False)) == plan.units:
            _commit(plan, sorted_uri)


def _is_finished(plan: SortPlan, split_uri: str) -> bool:
    if finished_sort(plan, split_uri) is None:
        return False
    lease.delete_state(split_uri)  # of a sort that was killed after it wrote its manifest
    return True


def _commit(plan: SortPlan, sorted_uri: str) -> None:
    try:
        commit(plan, storage.join(sorted_uri, plan.split), quarantine=False)
    except storage.Changed:  # this plan can never be committed
        lease.release(plan, storage.join(sorted_uri, plan.split))
        raise


def _tasks_of(share: str, plans: Sequence[SortPlan], sorted_uri: str) -> list[UnitTask]:
    """Cuts all units into consecutive shares of about equal bytes and returns one of them."""
    number, _, count = share.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise InputError(f"the share is '{share}': expected i/n, for instance 2/8")
    tasks = [
        UnitTask(plan, storage.join(sorted_uri, plan.split), unit, quarantine=False)
        for plan in plans
        for unit in range(plan.units)
    ]
    total, before, chosen = sum(task.plan.unit_bytes(task.unit) for task in tasks), 0, []
    for task in tasks:
        size = task.plan.unit_bytes(task.unit)
        middle = before + size / 2
        before += size
        if int(middle * int(count) / max(total, 1)) == int(number) - 1:
            chosen.append(task)
    return chosen
