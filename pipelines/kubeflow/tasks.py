"""Tasks of a run, derived from the nodes of its Argo workflow in Kubeflow Pipelines 2.

The API returns the nodes of an Argo workflow. A task `train` of a pipeline is a pod `train-driver`, which prepares it,
a group `train`, and in that a pod `executor`, which does the work; with retries, `executor` is a group of the attempts
`executor(0)`, `executor(1)`. Loops are groups of their own, `iteration-item(0:1)` and so on. A node names its children,
and the nodes that follow it, by Argo's id, which ends like the name of their pod.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_EXECUTOR = re.compile(r"executor(\(\d+\))?")
_DRIVER = "-driver"
_INNER = re.compile(r"executor(\(\d+\))?|iteration.*")
_SINCE_EPOCH_YEAR = 1971  # the server sends the year 1 or 1970 for an unknown time


@dataclass(frozen=True)
class PipelineTask:
    """A task of the pipeline.

    Attributes:
        key: Its node, which stays the same.
        name: As in the pipeline: "train". Tasks of a loop share it.
        state: PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED, SKIPPED...
        reused: Whether its result came from the cache.
        seconds: From start to end; None while it runs.
    """

    key: str
    name: str
    state: str
    reused: bool
    seconds: float | None


@dataclass(frozen=True)
class FailedTask:
    """A failed task: its name, and the pod whose log has the error."""

    name: str
    pod: str


def tasks_of(nodes: Sequence[Any]) -> list[PipelineTask]:
    """Returns the tasks that have begun, in the order of their starts.

    Args:
        nodes: `run_details.task_details` of a run.
    """
    by_id = _by_id(nodes)
    found = []
    for node in sorted(nodes, key=lambda each: (str(each.start_time), str(each.pod_name))):
        executors = [child for child in _children(node, by_id) if _EXECUTOR.fullmatch(child.display_name or "")]
        if executors and not _INNER.fullmatch(node.display_name):
            reused = node.state == "SUCCEEDED" and all(each.state == "SKIPPED" for each in executors)
            found.append(PipelineTask(node.pod_name, node.display_name, node.state, reused, _seconds(node)))
    return found


def failures_of(nodes: Sequence[Any]) -> list[FailedTask]:
    """Returns the tasks that failed for good, the first to fail first.

    Args:
        nodes: `run_details.task_details` of a run.
    """
    by_id = _by_id(nodes)
    parents: dict[str, list[Any]] = {}
    for node in nodes:
        for child in _children(node, by_id):
            parents.setdefault(child.pod_name, []).append(node)
    found: dict[str, FailedTask] = {}
    for node in sorted(nodes, key=lambda each: str(each.end_time)):
        if node.state == "FAILED" and _is_pod(node, by_id):
            task = _failed_task(node, parents)
            if task is not None:
                # Of several attempts, the log of the last.
                found[task.pod_name] = FailedTask(task.display_name.removesuffix(_DRIVER), node.pod_name)
    return list(found.values())


def _failed_task(node: Any, parents: dict[str, list[Any]]) -> Any | None:
    """Returns the task of a failed pod; None where a later attempt has succeeded."""
    while _INNER.fullmatch(node.display_name or ""):
        failed = [each for each in parents.get(node.pod_name, []) if each.state == "FAILED"]
        if not failed:
            return None
        node = failed[0]
    return node


def _is_pod(node: Any, by_id: dict[str, Any]) -> bool:
    """Tells pods from groups, which fail because something in them has failed."""
    attempts = any(_EXECUTOR.fullmatch(child.display_name or "") for child in _children(node, by_id))
    return node.display_name.endswith(_DRIVER) or (bool(_EXECUTOR.fullmatch(node.display_name)) and not attempts)


def _by_id(nodes: Sequence[Any]) -> dict[str, Any]:
    return {_id(node.pod_name): node for node in nodes if node.pod_name}


def _children(node: Any, by_id: dict[str, Any]) -> list[Any]:
    ids = [_id(child.pod_name) for child in node.child_tasks or [] if child.pod_name]
    return [by_id[each] for each in ids if each in by_id]


def _id(name: str) -> str:
    return name.rpartition("-")[2]


def _seconds(node: Any) -> float | None:
    start, end = node.start_time, node.end_time
    if start is None or end is None or end.year < _SINCE_EPOCH_YEAR:
        return None
    return float((end - start).total_seconds())
