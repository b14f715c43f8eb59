"""Nodes of a run's Argo workflow, from the two things that the API of Kubeflow Pipelines 2.17 tells of a run.

The workflow itself (v1beta1, `pipeline_runtime.workflow_manifest`) has all. The tasks (v2beta1, `task_details`) have
neither the id nor the name of a node, only the ids of its children; and they stop changing once Argo compresses the
nodes of a large workflow. Argo derives a node's id from its name, so that the names can be found from the ids.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_FNV_OFFSET, _FNV_PRIME, _BITS_32 = 0x811C9DC5, 0x01000193, 0xFFFFFFFF
_STATES = {"ERROR": "FAILED", "OMITTED": "SKIPPED"}  # what Argo names otherwise than Kubeflow does
_UNKNOWN_TIME_BEFORE = 1971  # the year 1 or 1970 stands for an unknown time


@dataclass(frozen=True)
class Node:
    """A node of the workflow: a pod, or a group of nodes.

    Attributes:
        id: Argo's, "<workflow>-<number>"; the log of a pod is found by it.
        name: The names on the way to it: "<workflow>(0).root(0).plan(0).executor(0)". The number of the attempt
            follows a name if the node is retried; an item of a loop ends with "(0:0)".
        state: PENDING, RUNNING, SUCCEEDED, FAILED, SKIPPED; "" if unknown.
        start, end: None if unknown.
        message: What Argo says about a failure: "main: Error (exit code 1)", "OOMKilled (exit code 137)"; about a pod
            that is pending: "Unschedulable: 0/3 nodes are available", "ImagePullBackOff: Back-off pulling image ...".
    """

    id: str
    name: str
    state: str
    start: datetime | None
    end: datetime | None
    message: str = ""


def nodes_of_workflow(manifest: str) -> list[Node]:
    """Returns the nodes of an Argo workflow, JSON; none if it has not begun."""
    status = json.loads(manifest).get("status") or {}
    nodes = status.get("nodes") or {}
    if status.get("compressedNodes"):
        nodes = json.loads(gzip.decompress(base64.b64decode(status["compressedNodes"])))
    return [_node_of_workflow(node) for node in nodes.values()]


def nodes_of_tasks(tasks: Sequence[Any]) -> list[Node]:
    """Returns the nodes of a run as far as they can be found from its tasks.

    Args:
        tasks: `run_details.task_details` of a run. A task without a name is a record of Kubeflow's cache.
    """
    named = [task for task in tasks if task.display_name]
    workflow = next((child.rpartition("-")[0] for task in named for child in _children(task)), "")
    return list(_TaskTree(workflow, named).nodes()) if workflow else []


def node_id(workflow: str, name: str) -> str:
    """Returns Argo's id of a node: the workflow's name and the 32-bit FNV-1a hash of the node's."""
    return workflow if name == workflow else f"{workflow}-{_fnv1a(name)}"


class _TaskTree:
    """Finds the name and the id of each task from the root on: a child's id is the hash of its name."""

    def __init__(self, workflow: str, tasks: Sequence[Any]) -> None:
        self._workflow = workflow
        self._by_display_name: dict[str, list[Any]] = defaultdict(list)
        for task in tasks:
            self._by_display_name[task.display_name].append(task)

    def nodes(self) -> Iterator[Node]:
        waiting = [(self._workflow, self._workflow, "")]  # name, name as displayed, name of the group around it
        seen = set()
        parents: dict[str, Node] = {}
        while waiting:
            name, displayed, group = waiting.pop()
            candidates = self._possible_children(name, displayed, group)
            task = self._task(displayed, set(candidates), parents.get(name))
            if task is None or name in seen:
                continue
            seen.add(name)
            node = self._node(name, task, parents.get(name))
            yield node
            for child in _children(task):
                if child in candidates:
                    waiting.append(candidates[child])
                    parents[candidates[child][0]] = node

    def _possible_children(self, name: str, displayed: str, group: str) -> dict[str, tuple[str, str, str]]:
        """Returns, by id, what a node's children may be: attempts, items of a loop, its content, what follows it."""
        found = {}
        hashes = {prefix: _fnv1a(prefix) for prefix in (name, f"{name}.", f"{group}.")}
        for other in self._by_display_name:
            options = [(f"{name}.", other, name), (f"{group}.", other, group)]
            if other.startswith(f"{displayed}("):
                options.append((name, other[len(displayed) :], group))
            for prefix, rest, around in options:
                found[f"{self._workflow}-{_fnv1a(rest, hashes[prefix])}"] = (prefix + rest, other, around)
        return found

    def _task(self, displayed: str, children: set[str], parent: Node | None) -> Any | None:
        """Returns the task with this name of which these may be children; of tasks without any, the likeliest."""
        tasks = self._by_display_name.get(displayed, [])
        found = next((task for task in tasks if children & set(_children(task))), None)
        alike = [task for task in tasks if not _children(task)]
        if found is not None or not alike:
            return found
        start = parent.start if parent else None
        return min(alike, key=lambda task: abs((task.start_time - start).total_seconds()) if start else 0.0)

    def _node(self, name: str, task: Any, parent: Node | None) -> Node:
        state, start, end = task.state or "", _time(task.start_time), _time(task.end_time)
        if parent is not None and not _children(task) and name.startswith(f"{parent.name}("):
            # A last attempt: which task it is cannot be told, but it is as its group is.
            state, start, end = parent.state, parent.start, parent.end
        return Node(node_id(self._workflow, name), name, _STATES.get(state, state), start, end)


def _node_of_workflow(node: Mapping[str, Any]) -> Node:
    state = str(node.get("phase") or "").upper()
    start, end = (
        _time(datetime.fromisoformat(node[key]) if node.get(key) else None) for key in ("startedAt", "finishedAt")
    )
    return Node(node["id"], node["name"], _STATES.get(state, state), start, end, str(node.get("message") or ""))


def _children(task: Any) -> list[str]:
    return [child.pod_name for child in task.child_tasks or [] if child.pod_name]


def _time(found: datetime | None) -> datetime | None:
    return found if found is not None and found.year >= _UNKNOWN_TIME_BEFORE else None


def _fnv1a(text: str, start: int = _FNV_OFFSET) -> int:
    found = start
    for byte in text.encode():
        found = ((found ^ byte) * _FNV_PRIME) & _BITS_32
    return found
