"""The state of a trainer's pod: why it is pending, whether it runs, how it ended, and its log lines as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from components.core import environment
from components.core.errors import EXIT_AGAIN, EXIT_INPUT_ERROR
from components.kubernetes.client import Object
from components.launch.template import CONTAINER

_RESUMES = "the training continues from its checkpoint"
# The reasons of condition DisruptionTarget: https://kubernetes.io/docs/concepts/workloads/pods/disruptions
_DISRUPTIONS = {
    "PreemptionByScheduler": f"preempted by a pod of higher priority; {_RESUMES}",
    "EvictionByEvictionAPI": f"evicted, as when a node is drained; {_RESUMES}",
    "DeletionByTaintManager": f"deleted because of a taint of its node; {_RESUMES}",
    "DeletionByPodGC": f"lost with its node; {_RESUMES}",
    "TerminationByKubelet": f"ended by its node, which shuts down or is short of resources; {_RESUMES}",
}
_PULL_FAILURES = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError")
# These answers of a registry do not change by themselves; a network error may.
_NO_SUCH_IMAGE = re.compile(
    r"not found|manifest unknown|unauthorized|denied|authentication required|no basic auth|parse|reference format"
    r"|not present with pull policy",
    re.I,
)

NO_SUCH_PLATFORM = re.compile(r"no match for platform|no matching manifest|no image found in .* for architecture")
"""What containerd, Docker and CRI-O say about an image that exists, but not for the architecture of the node."""


@dataclass(frozen=True)
class PendingReason:
    """Why a training does not run yet.

    Attributes:
        text: The reason, for people: "no node can take its pod: ...".
        is_permanent: Waiting does not help: a person has to change something.
    """

    text: str
    is_permanent: bool = False


@dataclass(frozen=True)
class Ending:
    """How a pod ended.

    Attributes:
        text: What happened to the pod, for people: "killed for memory ...".
        exit_code: Exit code of the trainer; None where the pod was removed before the trainer ended by itself.
        last_line: The last line of the trainer's log; may be empty.
    """

    text: str
    exit_code: int | None
    last_line: str


def is_over(pod: Object) -> bool:
    """Tells whether the pod has ended."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def has_started(pod: Object) -> bool:
    """Tells whether the trainer has started, so that it has a log."""
    state = _trainer(pod).get("state") or {}
    return "running" in state or "terminated" in state


def is_running(pod: Object) -> bool:
    """Tells whether the trainer runs."""
    return "running" in (_trainer(pod).get("state") or {})


def has_ended(pod: Object) -> bool:
    """Tells whether the trainer has ended, so that its log is complete."""
    return is_over(pod) or "terminated" in (_trainer(pod).get("state") or {})


def left_running(pod: Object) -> list[str]:
    """Returns the containers that run although the trainer has ended: sidecars that a webhook has added to the pod."""
    if "terminated" not in (_trainer(pod).get("state") or {}):
        return []
    statuses: list[Object] = pod.get("status", {}).get("containerStatuses") or []
    return [each["name"] for each in statuses if "running" in (each.get("state") or {})]


def pending_reason(pod: Object) -> PendingReason:
    """Returns why the trainer of a pod has not started."""
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        # "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: ...": the rest repeats the first part.
        reason = (scheduled.get("message") or scheduled.get("reason") or "").split(" preemption:")[0].rstrip(" .")
        if scheduled.get("reason") == "SchedulingGated":
            return PendingReason(f"its pod is held back by a scheduling gate: {reason}")
        return PendingReason(f"no node can take its pod: {reason}")
    node = pod["spec"].get("nodeName")
    for container in _containers(pod):
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason = _waiting_reason(container, waiting.get("reason", ""), waiting.get("message", ""))
        if reason:
            return reason
    return PendingReason(f"its pod starts on node {node}" if node else "its pod waits for a node")


def ending(pod: Object) -> Ending:
    """Returns how a pod ended, which is over or whose trainer has ended."""
    status = pod.get("status", {})
    state = (_trainer(pod).get("state") or {}).get("terminated") or {}
    code = state.get("exitCode")
    last_line = next((line for line in reversed((state.get("message") or "").splitlines()) if line.strip()), "")
    last_line = log_text(last_line.strip())
    disruption = _condition(pod, "DisruptionTarget")
    if code == 0:
        return Ending("done", code, last_line)
    if code == EXIT_INPUT_ERROR:
        return Ending(f"stopped by an error in its input: {last_line}", code, last_line)
    if disruption.get("status") == "True":
        return Ending(_disruption(disruption, (status.get("message") or "").strip(" .")), None, last_line)
    if status.get("reason") == "Evicted":
        return Ending(f"evicted: {(status.get('message') or '').strip()}", None, last_line)
    if state.get("reason") == "OOMKilled":
        return Ending(f"killed for memory: {_memory_limit(pod)}", code, last_line)
    if code == EXIT_AGAIN:
        return Ending("stopped, with all its work saved", code, last_line)
    if code is None:
        return Ending(f"ended: {status.get('message') or status.get('reason') or 'for an unknown reason'}", None, "")
    return Ending(f"ended with exit code {code}" + (f": {last_line}" if last_line else ""), code, last_line)


def log_text(line: str) -> str:
    """Returns the message of a log line in JSON; the line itself where it is text, or where this process logs JSON."""
    if not line.startswith('{"') or environment.logs_json():
        return line
    try:
        return str(json.loads(line)["message"])
    except (ValueError, KeyError):
        return line


def _disruption(condition: Object, message: str) -> str:
    """Returns what took a pod away. What the kubelet writes into the pod's status names the resource that was short."""
    reason = condition.get("reason", "")
    if reason == "TerminationByKubelet" and message:
        return f"ended by its node ({message}); {_RESUMES}"
    return _DISRUPTIONS.get(reason, f"disrupted ({condition.get('message')}); {_RESUMES}")


def _memory_limit(pod: Object) -> str:
    trainer = next(container for container in pod["spec"]["containers"] if container["name"] == CONTAINER)
    limit = ((trainer.get("resources") or {}).get("limits") or {}).get("memory")
    if not limit:
        return f"container '{CONTAINER}' has no limit and its node ran out; set a memory request in the template"
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


def _waiting_reason(container: Object, reason: str, message: str) -> PendingReason | None:
    """Returns why a container cannot start; None where it is starting."""
    if reason in _PULL_FAILURES:
        detail = message.rpartition("ErrImagePull: ")[2].rpartition(" desc = ")[2]
        if detail.startswith("Back-off"):
            detail = ""  # without a cause: older kubelets write no more
        is_other_platform = bool(NO_SUCH_PLATFORM.search(detail))
        is_permanent = is_other_platform or bool(_NO_SUCH_IMAGE.search(detail))
        is_permanent = is_permanent or reason in ("InvalidImageName", "ErrImageNeverPull")
        cause = detail or message or reason
        if is_other_platform:
            cause = f"{cause}: it is for another architecture than its node; set nodeSelector kubernetes.io/arch"
        return PendingReason(f"its image '{container['image']}' cannot be pulled: {cause}", is_permanent)
    if reason and reason not in ("ContainerCreating", "PodInitializing"):
        return PendingReason(f"its container '{container['name']}' cannot be started: {message or reason}")
    return None
