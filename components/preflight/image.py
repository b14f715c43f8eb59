"""Checks that an image can be pulled and is of this version, by a short-lived Job that ends at once.

Only a node of the cluster knows its registries, mirrors and pull secrets, so the check is a pod. It has the service
account, pull secrets and security settings of the training's Job, and none of its resources, volumes and settings.
It writes the commit that the image was built from into its termination message.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator

from components.core import environment, git
from components.kubernetes.client import Api, Object
from components.launch import pod_state
from components.launch.events import Events
from components.launch.pod_state import PendingReason
from components.launch.step import errors_explained
from components.launch.template import CONTAINER, container_of
from components.preflight.finding import Finding, Status

_POLL_S = 0.5
_DELETE_LIMIT_S = 5.0
_OF_THE_POD = ("serviceAccountName", "imagePullSecrets", "securityContext", "runtimeClassName", "priorityClassName")
_PULLED = "cannot be pulled"
NAME = "luthier-check"
COMMAND = ("sh", "-c", f'printf %s "${environment.GIT_COMMIT}" > /dev/termination-log')
"""What the pod does. components/job-policy allows a launcher exactly this."""

_COMMIT = re.compile(r"([0-9a-f]{12})[0-9a-f]{0,52}(-dirty)?")


def check_image(api: Api, job: Object, limit_s: float = 25.0) -> Iterator[Finding]:
    """Starts the image of a training's Job, with a command that does nothing.

    Args:
        api: For the namespace of the Jobs.
        job: The Job of a training, filled in.
        limit_s: How long to wait. A registry refuses an image within seconds; an image that is still being pulled then
            counts as one that can be.

    Raises:
        InputError: The server refuses the Job.
        StepError: It does not answer.
    """
    image = container_of(job)["image"]
    with errors_explained(api):
        created = api.create("jobs", _short_job(job))
        try:
            found = _wait(api, created, time.monotonic() + limit_s)
        finally:
            api.delete("jobs", created["metadata"]["name"], created["metadata"]["uid"], _DELETE_LIMIT_S)
    if isinstance(found, PendingReason):
        yield _not_started(image, found, limit_s)
    else:
        yield _started(image, pod_state.ending(found).last_line)


def _started(image: str, built_from: str) -> Finding:
    """Returns the finding about an image that was started; with its commit where it has told one."""
    theirs, ours = _COMMIT.fullmatch(built_from), _COMMIT.match(git.commit() or "")
    if not theirs or not ours or theirs[1] == ours[1]:
        return Finding("image", Status.OK, f"{image} can be pulled" + (f", of commit {theirs[1]}" if theirs else ""))
    text = f"{image} can be pulled, but is of commit {theirs[1]}, and what checks it is of commit {ours[1]}"
    advice = "build and push the images of one commit, and apply the manifests with them"
    return Finding("image", Status.NOTE, text, advice)


def _not_started(image: str, reason: PendingReason, limit_s: float) -> Finding:
    advice = "check the image's name and tag, that it was pushed, and imagePullSecrets of the Job's template"
    if reason.is_permanent:
        return Finding("image", Status.WRONG, reason.text, advice)
    if _PULLED in reason.text:
        return Finding("image", Status.SILENT, reason.text, "check the network of the nodes, or try again")
    text = f"{image} was not refused within {limit_s:.0f} s, but not started: {reason.text}"
    return Finding("image", Status.NOTE, text)


def _wait(api: Api, job: Object, deadline: float) -> PendingReason | Object:
    """Returns the pod when it has ended; why the image has not started by the deadline, or never will."""
    query = {"labelSelector": f"batch.kubernetes.io/job-name={job['metadata']['name']}"}
    events = Events(api)
    while True:
        pods: list[Object] = api.get("pods", query=query)["items"]
        started = next((pod for pod in pods if pod_state.has_started(pod)), None)
        if started and (pod_state.has_ended(started) or time.monotonic() > deadline):
            return started
        if over := next((pod for pod in pods if pod_state.is_over(pod)), None):
            return PendingReason(f"its pod {pod_state.ending(over).text}")  # the node refused it
        reason = pod_state.pending_reason(pods[0]) if pods else events.of_job(job, [])
        if not started and reason and (reason.is_permanent or _PULLED in reason.text):
            return reason
        if time.monotonic() > deadline:
            return reason or PendingReason("no pod was created for it")
        time.sleep(_POLL_S)


def _short_job(job: Object) -> Object:
    pod, trainer = job["spec"]["template"]["spec"], container_of(job)
    name = f"{NAME}-{secrets.token_hex(4)}"
    labels = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "luthier"}
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 65534,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": CONTAINER,
        "image": trainer["image"],
        "command": list(COMMAND),
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": trainer.get("securityContext") or security,
        **({"imagePullPolicy": trainer["imagePullPolicy"]} if "imagePullPolicy" in trainer else {}),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": 120,  # if this process is killed before it deletes the Job
            "ttlSecondsAfterFinished": 60,
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    **{name: pod[name] for name in _OF_THE_POD if name in pod},
                    "containers": [container],
                },
            },
        },
    }
