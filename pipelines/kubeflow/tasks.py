"""Tasks of a run, from the nodes of its Argo workflow in Kubeflow Pipelines 2.

A task `train` of a pipeline is a pod `train-driver`, which prepares it, a group `train`, and in that a pod `executor`,
which does the work. What is retried is a group of its attempts: `executor`, `executor(0)`, `executor(1)`. An
installation may retry every node (`workflowDefaults` of Kubeflow's own manifests): `train`, `train(0)`, ...
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipelines.kubeflow.nodes import Node

_ATTEMPT = re.compile(r"\(\d+\)")
_LAST_ATTEMPT = re.compile(r"\(\d+\)$")
# What Argo writes of a pending pod (workflow/controller/operator.go, getPendingReason): a reason, and a message if
# there is one. A container that is being created has the reason alone.
_PENDING = re.compile(r"(?P<reason>\w+): .*", re.S)
_EXECUTOR = ".executor"
_DRIVER = "-driver"
_ENDED = ("SUCCEEDED", "FAILED", "SKIPPED")
_LATEST = datetime.max.replace(tzinfo=UTC)
_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class PipelineTask:
    """A task of the pipeline, whatever the number of its attempts.

    Attributes:
        key: The names on the way to it, without the attempts: it stays the same.
        name: As in the pipeline: "train". Tasks of a loop share it.
        state: PENDING, RUNNING, SUCCEEDED, FAILED, SKIPPED; "" if unknown.
        reused: Whether its result came from the cache.
        seconds: From start to end; None while it runs.
        pod: The id of the node whose log is its; "" if it has none.
    """

    key: str
    name: str
    state: str
    reused: bool
    seconds: float | None
    pod: str = ""


@dataclass(frozen=True)
class FailedTask:
    """A failed task.

    Attributes:
        name: As in the pipeline.
        node: The id of the node whose log has the error.
        message: What Argo says about the failed pod; "" if unknown.
    """

    name: str
    node: str
    message: str


@dataclass(frozen=True)
class WaitingPod:
    """A pod of a task that does not start.

    Attributes:
        key: The names on the way to it.
        name: Of its task.
        reason: In one word: "Unschedulable", "ImagePullBackOff".
        text: The reason and what is behind it.
    """

    key: str
    name: str
    reason: str
    text: str


def tasks_of(nodes: Sequence[Node]) -> list[PipelineTask]:
    """Returns the tasks that have begun, in the order of their starts."""
    attempts = _by_path(nodes)
    found = []
    for path, executors in attempts.items():
        task = path.removesuffix(_EXECUTOR)
        if path != task and task in attempts:
            node = _head(attempts[task])
            reused = node.state == "SUCCEEDED" and all(each.state == "SKIPPED" for each in executors)
            seconds = (node.end - node.start).total_seconds() if node.start and node.end else None
            pod = "" if reused else _last_pod(executors).id
            found.append((node.start or _LATEST, PipelineTask(task, _name(task), node.state, reused, seconds, pod)))
    return [task for _, task in sorted(found, key=lambda each: (each[0], each[1].key))]


def waiting_of(nodes: Sequence[Node]) -> list[WaitingPod]:
    """Returns the pods that do not start for a reason, by name. A pod that is only being created has none."""
    found = []
    for node in nodes:
        match = _PENDING.fullmatch(node.message) if node.state == "PENDING" else None
        if match:
            path = _ATTEMPT.sub("", node.name)
            name = _name(path.removesuffix(_EXECUTOR).removesuffix(_DRIVER))
            found.append(WaitingPod(node.name, name, match["reason"], " ".join(node.message.split())))
    return sorted(found, key=lambda each: each.key)


def failures_of(nodes: Sequence[Node]) -> list[FailedTask]:
    """Returns the tasks that failed for good, the first to fail first."""
    found = []
    for path, attempts in _by_path(nodes).items():
        if path.endswith((_EXECUTOR, _DRIVER)):
            head, pod = _head(attempts), _last_pod(attempts)
            # Where the group is told as of a moment ago, its last attempt knows better.
            state = head.state if head.state in _ENDED else pod.state
            if state == "FAILED":
                name = _name(path.removesuffix(_EXECUTOR).removesuffix(_DRIVER))
                found.append((pod.end or _LATEST, path, FailedTask(name, pod.id, pod.message)))
    return [task for _, _, task in sorted(found, key=lambda each: each[:2])]


def _by_path(nodes: Sequence[Node]) -> dict[str, list[Node]]:
    """Returns the nodes by their names without the attempts."""
    found: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        found[_ATTEMPT.sub("", node.name)].append(node)
    return found


def _head(attempts: Sequence[Node]) -> Node:
    """Returns the node that stands for all its attempts; of several, because a group around was retried, the last."""
    groups = [node for node in attempts if not _LAST_ATTEMPT.search(node.name)]
    return max(groups or attempts, key=_age)


def _last_pod(attempts: Sequence[Node]) -> Node:
    pods = [node for node in attempts if _LAST_ATTEMPT.search(node.name)]
    return max(pods or attempts, key=_age)


def _age(node: Node) -> tuple[datetime, str]:
    return node.start or _EARLIEST, node.name


def _name(path: str) -> str:
    return path.rpartition(".")[2]
