"""The state of a training's Job, with the reason why it is pending, and the error that a failed Job is to its user."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from components.core.errors import EXIT_INPUT_ERROR, InputError, StepError
from components.core.text import counted
from components.kubernetes.client import Object
from components.launch import labels, pod_state
from components.launch.pod_state import PendingReason

_EXIT_CODE = re.compile(r"exit code (\d+)")
_RETRY = "the same command continues from its checkpoint"


class Phase(StrEnum):
    """What a Job is doing, in the words of Kubernetes and Kueue."""

    PENDING = "Pending"
    """It has no pod yet, or its pod has not started."""

    QUEUED = "Queued"
    """Kueue holds it back until its queue has room."""

    SUSPENDED = "Suspended"
    """A person or a launcher suspended it."""

    RUNNING = "Running"
    """All its pods run."""

    TERMINATING = "Terminating"
    """It, or a pod of it, is being deleted or has ended, and Kubernetes has not removed or completed it yet."""

    COMPLETE = "Complete"
    FAILED = "Failed"


class StuckError(StepError):
    """A Job stays in phase Terminating: a person has to find out why."""


FINISHED = (Phase.COMPLETE, Phase.FAILED)


@dataclass(frozen=True)
class State:
    """The state of a Job.

    Attributes:
        phase: What it is doing.
        text: The state, for people.
        is_permanent: See PendingReason.
        pod: The pod that the state is about; None for a state of the Job itself.
    """

    phase: Phase
    text: str
    is_permanent: bool = False
    pod: Object | None = None


def state_of(job: Object, pods: Iterable[Object], from_events: PendingReason | None = None) -> State:
    """Returns the state of a Job.

    Args:
        job: The Job.
        pods: Its pods.
        from_events: The newest pending reason in the events of the Job or its pod; see events.
    """
    finished = finished_phase(job)
    if finished:
        return State(finished, finished.lower())
    if job["metadata"].get("deletionTimestamp"):
        return State(Phase.TERMINATING, "is being deleted")
    if job["spec"].get("suspend"):
        return _suspended(job, from_events)
    pods = list(pods)
    active = sorted((pod for pod in pods if not pod_state.is_over(pod)), key=labels.index_of)
    if not active:
        succeeded = [pod for pod in pods if pod["status"]["phase"] == "Succeeded"]
        if len(succeeded) >= (job["spec"].get("completions") or 1):
            return State(Phase.TERMINATING, "its pods are done; Kubernetes completes it")
        reason = from_events or PendingReason("waits for a pod")
        return State(Phase.PENDING, reason.text, reason.is_permanent)
    for pod in active:
        if not pod_state.has_started(pod):
            return _starting(pod, from_events, len(active) > 1)
    for pod in active:
        if pod["metadata"].get("deletionTimestamp") or not pod_state.is_running(pod):
            others = ", ".join(pod_state.left_running(pod))
            what = f"has ended its training, and still runs: {others}" if others else "is terminating"
            return State(Phase.TERMINATING, f"pod {pod['metadata']['name']} {what}", pod=pod)
    nodes = ", ".join(pod["spec"].get("nodeName") or "?" for pod in active)
    return State(Phase.RUNNING, f"runs on node {nodes} (pod {active[0]['metadata']['name']})", pod=active[0])


def condition(job: Object, kind: str) -> Object | None:
    """Returns a condition of a Job, for instance "Complete"; None where it has none or it is not true."""
    conditions: list[Object] = job.get("status", {}).get("conditions") or []
    return next((found for found in conditions if found["type"] == kind and found["status"] == "True"), None)


def finished_phase(job: Object) -> Phase | None:
    """Returns Complete or Failed; None for a Job that has not finished."""
    return next((phase for phase in FINISHED if condition(job, phase)), None)


def is_finished(job: Object) -> bool:
    """Tells whether a Job is Complete or Failed."""
    return finished_phase(job) is not None


def failed_by_input(job: Object, pods: Iterable[Object]) -> bool:
    """Tells whether a Job failed because the trainer found an error in its input (exit code 2)."""
    failed = condition(job, Phase.FAILED)
    code = _EXIT_CODE.search((failed or {}).get("message") or "")
    return bool(failed) and (
        (code is not None and int(code[1]) == EXIT_INPUT_ERROR)
        or any(pod_state.ending(pod).exit_code == EXIT_INPUT_ERROR for pod in pods if pod_state.is_over(pod))
    )


def failure_of(job: Object, pods: Iterable[Object], last_line: str = "") -> InputError | StepError:
    """Returns the error to raise for a failed Job.

    Args:
        job: The Job.
        pods: Those of its pods that still exist.
        last_line: The newest line of its log.
    """
    failed, name = condition(job, Phase.FAILED) or {}, job["metadata"]["name"]
    ended = sorted(
        (pod for pod in pods if pod_state.is_over(pod)), key=lambda pod: str(pod["metadata"]["creationTimestamp"])
    )
    endings = [pod_state.ending(pod) for pod in ended]
    if failed_by_input(job, ended):
        lines = [ending.last_line for ending in endings if ending.exit_code == EXIT_INPUT_ERROR and ending.last_line]
        message = (lines[-1] if lines else last_line) or failed.get("message") or "its input has an error"
        return InputError(message.removeprefix("luthier: "))
    last = f": its last pod was {endings[-1].text}" if endings else ""
    if failed.get("reason") == "DeadlineExceeded":
        deadline_s = job["spec"].get("activeDeadlineSeconds")
        return StepError(
            f"Job {name} ran longer than its activeDeadlineSeconds, {deadline_s}: raise it in the template; {_RETRY}"
        )
    if failed.get("reason") == "BackoffLimitExceeded":
        times, limit = job["status"].get("failed") or len(endings), job["spec"].get("backoffLimit")
        return StepError(f"Job {name} failed {counted(times, 'time')} (its backoffLimit is {limit}){last}; {_RETRY}")
    return StepError(f"Job {name} failed: {failed.get('message') or failed.get('reason')}{last}; {_RETRY}")


def stuck_error(job: Object, state: State, waited_s: float) -> StuckError:
    """Returns the error for a Job that stays in phase Terminating: what keeps it, and what to do about it."""
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    for_s = f"for {waited_s:.0f} s"
    if job["metadata"].get("deletionTimestamp"):
        finalizers = ", ".join(job["metadata"].get("finalizers") or []) or "none"
        return StuckError(
            f"Job {name} has been in deletion {for_s} (finalizers: {finalizers}): expected Kubernetes to remove it; "
            f"delete its pods with `kubectl -n {namespace} delete pods --force -l {labels.JOB_NAME}={name}`, or, if it "
            f"has none, its finalizers with `kubectl -n {namespace} patch job {name} --type merge "
            '-p \'{"metadata":{"finalizers":null}}\'`'
        )
    if state.pod:
        pod, node = state.pod["metadata"]["name"], state.pod["spec"].get("nodeName")
        if others := ", ".join(pod_state.left_running(state.pod)):
            return StuckError(
                f"pod {pod} of Job {name} does not end: its training has ended, and its container {others} has been "
                f"running {for_s}; exclude the pods of the Job's template from what adds that container, such as Istio "
                f'(label sidecar.istio.io/inject: "false"), then `kubectl -n {namespace} delete pod {pod}`'
            )
        return StuckError(
            f"pod {pod} of Job {name} has been terminating {for_s} on node {node}: check that node; if it is lost, "
            f"`kubectl -n {namespace} delete pod {pod} --force`"
        )
    return StuckError(
        f"Job {name} has not been completed {for_s} after its pods succeeded: check the Job controller of the cluster "
        f"(kube-controller-manager) and `kubectl -n {namespace} describe job {name}`"
    )


def _suspended(job: Object, from_events: PendingReason | None) -> State:
    queue = labels.queue_of(job)
    if queue:
        reason = f": {from_events.text}" if from_events else ""
        is_permanent = bool(from_events and from_events.is_permanent)
        return State(Phase.QUEUED, f"queued in Kueue (queue '{queue}'){reason}", is_permanent)
    patch = f"kubectl -n {job['metadata']['namespace']} patch job {job['metadata']['name']} "
    return State(Phase.SUSPENDED, f'suspended; {patch}-p \'{{"spec":{{"suspend":false}}}}\' resumes it')


def _starting(pod: Object, from_events: PendingReason | None, is_one_of_several: bool) -> State:
    reason = pod_state.pending_reason(pod)
    if from_events and pod["spec"].get("nodeName") and not reason.is_permanent:
        reason = from_events
    worker = f"worker {labels.index_of(pod)}: " if is_one_of_several else ""
    return State(Phase.PENDING, worker + reason.text, reason.is_permanent, pod)
