"""What a Job waits for, and why it failed, in words that a person can act on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from components.core.errors import EXIT_INPUT_ERROR, InputError, StepError
from components.kubernetes.client import Object
from components.launch import pods as pod_words
from components.launch.job import HASH_ANNOTATION, QUEUE_LABEL
from components.launch.pending_reason import Hindrance

_EXIT_CODE = re.compile(r"exit code (\d+)")
_AGAIN = "the same command goes on from its checkpoint"

# trains: a pod runs. queued: Kueue has it. paused: somebody suspended it. starts: a pod is on its way.
# without: there is no pod. ending: the Job is being deleted, or closed.
Kind = Literal["trains", "queued", "paused", "starts", "without", "ending"]


@dataclass(frozen=True)
class State:
    """What a Job is at.

    Attributes:
        kind: See Kind.
        text: In words.
        is_hopeless: Waiting alone does not help: somebody has to change something.
        pod: The pod that it is about, if any.
    """

    kind: Kind
    text: str
    is_hopeless: bool = False
    pod: Object | None = None


def state_of(job: Object, pods: Iterable[Object], refusal: Hindrance | None = None) -> State:
    """Returns what a Job that has not finished is at; `refusal` is the newest thing held against it or its pod."""
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    if job["metadata"].get("deletionTimestamp"):
        return State("ending", "is being deleted")
    if job["spec"].get("suspend"):
        queue = queue_of(job)
        if queue:
            why = f": {refusal.text}" if refusal else ""
            return State("queued", f"queued in Kueue (queue '{queue}'){why}", bool(refusal and refusal.is_hopeless))
        resume = f'kubectl -n {namespace} patch job {name} -p \'{{"spec":{{"suspend":false}}}}\''
        return State("paused", f"paused; {resume} resumes it")
    pods = list(pods)
    active = sorted((pod for pod in pods if not pod_words.is_over(pod)), key=pod_words.index_of)
    if not active:
        succeeded = [pod for pod in pods if pod["status"]["phase"] == "Succeeded"]
        if len(succeeded) >= (job["spec"].get("completions") or 1):
            return State("ending", "its pods are done")
        if refusal:
            return State("without", refusal.text, refusal.is_hopeless)
        return State("without", "waits for a pod")
    for pod in active:
        if not pod_words.has_started(pod):
            return _starting(pod, refusal, len(active) > 1)
    leaving = [pod for pod in active if pod["metadata"].get("deletionTimestamp") or not pod_words.is_running(pod)]
    if leaving:
        return State("trains", f"pod {leaving[0]['metadata']['name']} is ending", pod=leaving[0])
    nodes = ", ".join(pod["spec"].get("nodeName") or "?" for pod in active)
    return State("trains", f"trains on node {nodes} (pod {active[0]['metadata']['name']})", pod=active[0])


def queue_of(job: Object) -> str | None:
    """Returns the Kueue queue of a Job, if it has one."""
    labels: Mapping[str, str] = job["metadata"].get("labels") or {}
    return labels.get(QUEUE_LABEL)


def hash_of(job: Object) -> str | None:
    """Returns the hash of the specification that a Job was made from."""
    annotations: Mapping[str, str] = job["metadata"].get("annotations") or {}
    return annotations.get(HASH_ANNOTATION)


def condition(job: Object, kind: str) -> Object | None:
    """Returns a condition of a Job, for instance "Complete", if it is true."""
    conditions: list[Object] = job.get("status", {}).get("conditions") or []
    return next((found for found in conditions if found["type"] == kind and found["status"] == "True"), None)


def is_finished(job: Object) -> bool:
    """Tells whether a Job will do no more."""
    return bool(condition(job, "Complete") or condition(job, "Failed"))


def failed_by_input(job: Object, pods: Iterable[Object]) -> bool:
    """Tells whether the trainer found its input at fault (exit code 2)."""
    failed = condition(job, "Failed")
    code = _EXIT_CODE.search((failed or {}).get("message") or "")
    return bool(failed) and (
        (code is not None and int(code[1]) == EXIT_INPUT_ERROR)
        or any(pod_words.ending(pod).exit_code == EXIT_INPUT_ERROR for pod in pods if pod_words.is_over(pod))
    )


def failure_of(job: Object, pods: Iterable[Object], last_line: str = "") -> InputError | StepError:
    """Returns the error that a failed Job is to its user; `last_line` is the newest that was seen of its log."""
    failed, name = condition(job, "Failed") or {}, job["metadata"]["name"]
    ended = sorted(
        (pod for pod in pods if pod_words.is_over(pod)), key=lambda pod: pod["metadata"]["creationTimestamp"]
    )
    endings = [pod_words.ending(pod) for pod in ended]
    if failed_by_input(job, ended):
        code = EXIT_INPUT_ERROR
        lines = [ending.last_line for ending in endings if ending.exit_code == code and ending.last_line]
        said = (lines[-1] if lines else last_line) or failed.get("message") or "its input is at fault"
        return InputError(said.removeprefix("luthier: "))
    last = f": its last pod was {endings[-1].text}" if endings else ""
    if failed.get("reason") == "DeadlineExceeded":
        deadline_s = job["spec"].get("activeDeadlineSeconds")
        return StepError(
            f"Job {name} ran longer than its activeDeadlineSeconds, {deadline_s}: raise it in the template; {_AGAIN}"
        )
    if failed.get("reason") == "BackoffLimitExceeded":
        times, limit = job["status"].get("failed") or len(endings), job["spec"].get("backoffLimit")
        return StepError(f"Job {name} failed {times} times (its backoffLimit is {limit}){last}; {_AGAIN}")
    return StepError(f"Job {name} failed: {failed.get('message') or failed.get('reason')}{last}; {_AGAIN}")


def _starting(pod: Object, refusal: Hindrance | None, is_one_of_several: bool) -> State:
    waits = pod_words.waiting(pod)
    who = f"worker {pod_words.index_of(pod)}: " if is_one_of_several else ""
    if refusal and pod["spec"].get("nodeName") and not waits.is_hopeless:
        return State("starts", who + refusal.text, refusal.is_hopeless, pod)
    return State("starts", who + waits.text, waits.is_hopeless, pod)
