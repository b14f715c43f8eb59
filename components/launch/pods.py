"""What a pod of a training waits for, and how it ended, in words that a person can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from components.core.errors import EXIT_AGAIN, EXIT_INPUT_ERROR
from components.kubernetes.client import Object
from components.kubernetes.logs import readable
from components.launch.pending_reason import Hindrance
from components.launch.template import CONTAINER

_INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
_ON = "goes on from its checkpoint"
_TAKEN_AWAY = {
    "PreemptionByScheduler": f"preempted by a pod of higher priority; the training {_ON}",
    "EvictionByEvictionAPI": f"evicted, as when a node is drained; the training {_ON}",
    "DeletionByTaintManager": f"removed because its node became unfit; the training {_ON}",
    "DeletionByPodGC": f"lost with its node; the training {_ON}",
    "TerminationByKubelet": f"ended by its node, which shuts down or runs short; the training {_ON}",
}
_PULL = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError")
# A registry that answers so will not answer otherwise in a minute; a network that fails may.
_NO_SUCH_IMAGE = re.compile(
    r"not found|manifest unknown|unauthorized|denied|authentication required|no basic auth|parse|reference format"
    r"|not present with pull policy",
    re.I,
)


@dataclass(frozen=True)
class Ending:
    """How a pod ended.

    Attributes:
        text: In words, beginning with a participle: "killed for memory ...".
        exit_code: Of the trainer; None where the pod was taken away before it ended by itself.
        last_line: The trainer's last line; may be empty.
    """

    text: str
    exit_code: int | None
    last_line: str


def index_of(pod: Object) -> int:
    """Returns the index of an Indexed Job's pod; 0 of any other's."""
    labels = pod["metadata"].get("labels") or {}
    annotations = pod["metadata"].get("annotations") or {}
    return int(labels.get(_INDEX_LABEL) or annotations.get(_INDEX_LABEL) or 0)


def is_over(pod: Object) -> bool:
    """Tells whether the pod has ended."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def has_started(pod: Object) -> bool:
    """Tells whether the trainer has started, so that there is a log."""
    state = _trainer(pod).get("state") or {}
    return "running" in state or "terminated" in state


def is_running(pod: Object) -> bool:
    """Tells whether the trainer runs."""
    return "running" in (_trainer(pod).get("state") or {})


def has_ended(pod: Object) -> bool:
    """Tells whether the trainer has ended, so that its log is complete."""
    return is_over(pod) or "terminated" in (_trainer(pod).get("state") or {})


def waiting(pod: Object) -> Hindrance:
    """Returns what a pod waits for that neither runs nor is over."""
    placed = _condition(pod, "PodScheduled")
    if placed.get("status") == "False":
        # "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: ...": what follows only repeats it.
        reason = (placed.get("message") or placed.get("reason") or "").split(" preemption:")[0].rstrip(" .")
        if placed.get("reason") == "SchedulingGated":
            return Hindrance(f"its pod is held back by a scheduling gate: {reason}")
        return Hindrance(f"no node can take its pod: {reason}")
    node = pod["spec"].get("nodeName")
    for container in _containers(pod):
        blocked = (container.get("state") or {}).get("waiting") or {}
        words = _blocked(container, blocked.get("reason", ""), blocked.get("message", ""))
        if words:
            return words
    return Hindrance(f"its pod starts on node {node}" if node else "its pod waits for a node")


def ending(pod: Object) -> Ending:
    """Returns how a pod ended whose trainer has ended, or which is over."""
    status = pod.get("status", {})
    state = (_trainer(pod).get("state") or {}).get("terminated") or {}
    code = state.get("exitCode")
    last_line = next((line for line in reversed((state.get("message") or "").splitlines()) if line.strip()), "")
    last_line = readable(last_line.strip())
    taken = _condition(pod, "DisruptionTarget")
    if code == 0:
        return Ending("done", code, last_line)
    if code == EXIT_INPUT_ERROR:
        return Ending(f"stopped, as its input is at fault: {last_line}", code, last_line)
    if taken.get("status") == "True":
        words = _TAKEN_AWAY.get(taken.get("reason", ""), f"taken away ({taken.get('message')}); the training {_ON}")
        return Ending(words, None, last_line)
    if status.get("reason") == "Evicted":
        return Ending(f"evicted: {(status.get('message') or '').strip()}", None, last_line)
    if state.get("reason") == "OOMKilled":
        return Ending(f"killed for memory: {_memory_limit(pod)}", code, last_line)
    if code == EXIT_AGAIN:
        return Ending("stopped, with all its work saved", code, last_line)
    if code is None:
        return Ending(f"ended: {status.get('message') or status.get('reason') or 'for a reason unknown'}", None, "")
    return Ending(f"ended with exit code {code}" + (f": {last_line}" if last_line else ""), code, last_line)


def _memory_limit(pod: Object) -> str:
    trainer = next(container for container in pod["spec"]["containers"] if container["name"] == CONTAINER)
    limit = ((trainer.get("resources") or {}).get("limits") or {}).get("memory")
    if not limit:
        return f"container '{CONTAINER}' has no limit, its node ran out; give it a memory request in the template"
    return f"the limit of container '{CONTAINER}' is {limit}; raise resources.limits.memory in the template"


def _condition(pod: Object, kind: str) -> Object:
    conditions: list[Object] = pod.get("status", {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == kind), {})


def _trainer(pod: Object) -> Object:
    statuses: list[Object] = pod.get("status", {}).get("containerStatuses") or []
    return next((container for container in statuses if container["name"] == CONTAINER), {})


def _containers(pod: Object) -> Iterator[Object]:
    for kind in ("initContainerStatuses", "containerStatuses"):
        yield from pod.get("status", {}).get(kind) or []


def _blocked(container: Object, reason: str, message: str) -> Hindrance | None:
    """Returns why a container cannot start; None where it is on its way."""
    if reason in _PULL:
        detail = message.rpartition("ErrImagePull: ")[2].rpartition(" desc = ")[2]
        if detail.startswith("Back-off"):
            detail = ""  # says nothing but that; older kubelets leave the reason out
        is_hopeless = bool(_NO_SUCH_IMAGE.search(detail)) or reason in ("InvalidImageName", "ErrImageNeverPull")
        why = f": {detail or message or reason}"
        return Hindrance(f"its image '{container['image']}' cannot be pulled{why}", is_hopeless)
    if reason and reason not in ("ContainerCreating", "PodInitializing"):
        return Hindrance(f"its container '{container['name']}' cannot be started: {message or reason}")
    return None
