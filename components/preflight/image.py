"""Checks that an image can be pulled and is of this version, by a short-lived Job that ends at once.

Only a node of the cluster knows its registries, mirrors and pull secrets, so the check is a pod. It has the service
account, pull secrets, security settings, architecture and labels of the training's Job, and none of its resources,
volumes and settings. It writes the commit that the image was built from into its termination message.

Its small requests, or what else it lacks of a training, may break a rule of the namespace that a training keeps. So a
pod that is refused tells nothing about the image, unless the service account or Pod Security is the reason.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator

from components.core import environment, git
from components.kubernetes.client import Api, Object
from components.kubernetes.errors import BadRequest, Forbidden, Invalid, NotPermitted
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
# What a training may keep though this pod does not: quotas ("failed quota: x: must specify limits.cpu"), LimitRanges
# ("minimum cpu usage per Container is 100m, but request is 10m"), webhooks and policies.
_RULE_OF_NAMESPACE = re.compile(r"quota|usage per|limit to request ratio|denied (the )?request", re.I)
# All of them, since a quota may ask for each.
_REQUESTS = {"cpu": "10m", "memory": "16Mi", "ephemeral-storage": "1Mi"}
_LIMITS = {"cpu": "100m", "memory": "64Mi", "ephemeral-storage": "64Mi"}
_OF_ARCHITECTURE = ("kubernetes.io/arch", "kubernetes.io/os")
_NOT_COPIED = ("app.kubernetes.io/", "luthier.dev/", "kueue.x-k8s.io/")
NAME = "luthier-check"
COMMAND = ("sh", "-c", f'printf %s "${environment.GIT_COMMIT}" > /dev/termination-log')
"""What the pod does. components/job-policy allows a launcher exactly this."""

_ARCHITECTURE = (
    "build the image for the architecture of the nodes, or set nodeSelector kubernetes.io/arch in the Job's template"
)
_COMMIT = re.compile(r"([0-9a-f]{12})[0-9a-f]{0,52}(-dirty)?")


def check_image(api: Api, job: Object, limit_s: float = 25.0) -> Iterator[Finding]:
    """Starts the image of a training's Job, with a command that does nothing.

    Args:
        api: For the namespace of the Jobs.
        job: The Job of a training, filled in.
        limit_s: How long to wait. A registry refuses an image within seconds; an image that is still being pulled then
            counts as one that can be.

    Raises:
        InputError: You may not create Jobs.
        StepError: It does not answer.
    """
    image = container_of(job)["image"]
    with errors_explained(api):
        try:
            created = api.create("jobs", _short_job(job))
        except NotPermitted:
            raise
        except (BadRequest, Forbidden, Invalid) as error:  # that of a training is tried by a dry run
            yield Finding("image", Status.NOTE, f"{image} is not checked, its pod is refused: {error.message}")
            return
        try:
            found = _wait(api, created, time.monotonic() + limit_s)
        finally:
            api.delete("jobs", created["metadata"]["name"], created["metadata"]["uid"], _DELETE_LIMIT_S)
    if isinstance(found, PendingReason):
        yield _not_started(image, found, limit_s)
    else:
        yield _started(image, found)


def _started(image: str, pod: Object) -> Finding:
    """Returns the finding about an image that was started; with its commit where it has told one."""
    ended = pod_state.ending(pod)
    if pod_state.has_ended(pod) and ended.exit_code:
        text = f"{image} can be pulled, but on node {pod['spec'].get('nodeName')} its shell {ended.text}"
        return Finding("image", Status.NOTE, text, _ARCHITECTURE)
    built_from = ended.last_line
    theirs, ours = _COMMIT.fullmatch(built_from), _COMMIT.match(git.commit() or "")
    if not theirs or not ours or theirs[1] == ours[1]:
        return Finding("image", Status.OK, f"{image} can be pulled" + (f", of commit {theirs[1]}" if theirs else ""))
    text = f"{image} can be pulled, but is of commit {theirs[1]}, and what checks it is of commit {ours[1]}"
    advice = "build and push the images of one commit, and apply the manifests with them"
    return Finding("image", Status.NOTE, text, advice)


def _not_started(image: str, reason: PendingReason, limit_s: float) -> Finding:
    advice = "check the image's name and tag, that it was pushed, and imagePullSecrets of the Job's template"
    if pod_state.NO_SUCH_PLATFORM.search(reason.text):
        return Finding("image", Status.NOTE, reason.text, _ARCHITECTURE)
    if _PULLED not in reason.text and _RULE_OF_NAMESPACE.search(reason.text):
        return Finding("image", Status.NOTE, f"{image} is not checked: {reason.text}")
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


def _of_the_operator(metadata: Object, kind: str) -> Object:
    """Returns the labels or annotations that an operator gave to the pods of trainings; policies may ask for them."""
    given: Object = metadata.get(kind) or {}
    return {name: value for name, value in given.items() if not name.startswith(_NOT_COPIED)}


def _short_job(job: Object) -> Object:
    pod, trainer = job["spec"]["template"]["spec"], container_of(job)
    name = f"{NAME}-{secrets.token_hex(4)}"
    labels = {
        **_of_the_operator(job["spec"]["template"].get("metadata") or {}, "labels"),
        "app.kubernetes.io/name": NAME,
        "app.kubernetes.io/part-of": "luthier",
    }
    selector = {name: value for name, value in (pod.get("nodeSelector") or {}).items() if name in _OF_ARCHITECTURE}
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
        "resources": {"requests": _REQUESTS, "limits": _LIMITS},
        "terminationMessagePolicy": "FallbackToLogsOnError",
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
                "metadata": {
                    "labels": labels,
                    "annotations": _of_the_operator(job["spec"]["template"].get("metadata") or {}, "annotations"),
                },
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    **{name: pod[name] for name in _OF_THE_POD if name in pod},
                    **({"nodeSelector": selector} if selector else {}),
                    "containers": [container],
                },
            },
        },
    }
