"""Checks of a cluster: its version, its namespace, the queue, and whether it would accept the Job of a training."""

from __future__ import annotations

import re
from collections.abc import Iterator

from components.kubernetes.client import Api, Object
from components.kubernetes.errors import Forbidden, NamespaceNotFound, NotFound
from components.launch import admission, labels
from components.launch.step import errors_explained
from components.preflight import answers
from components.preflight.finding import Finding, Status

OLDEST, NEWEST = (1, 31), (1, 36)
"""The versions of Kubernetes: before 1.31, a podFailurePolicy of a Job is not stable; later than 1.36 is not tested."""

_VERSION = re.compile(r"v?(\d+)\.(\d+)")


def check_version(api: Api) -> Iterator[Finding]:
    """Compares the version of the API server with those that Luthier supports."""
    found = answers.text(api.get_path("/version"), "gitVersion")
    match = _VERSION.match(found)
    supported = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
    if match is None:
        advice = f"expected Kubernetes {supported}: is it the address of an API server?"
        yield Finding("kubernetes", Status.WRONG, f"{api.server} names no version: got '{found}'", advice)
        return
    version = int(match[1]), int(match[2])
    text = f"{found} at {api.server.removeprefix('the API server ')}"
    if version < OLDEST:
        yield Finding("kubernetes", Status.WRONG, text, f"expected {supported}: upgrade the cluster")
    elif version > NEWEST:
        yield Finding("kubernetes", Status.NOTE, f"{text} is newer than what is tested, {supported}")
    else:
        yield Finding("kubernetes", Status.OK, text)


def check_namespace(api: Api) -> Iterator[Finding]:
    """Looks for the namespace of the Jobs."""
    name = api.namespace
    try:
        found = api.get_path(f"/api/v1/namespaces/{name}")
    except (NamespaceNotFound, NotFound):
        advice = "apply manifests/base, or name another one with --jobs-namespace or LUTHIER_NAMESPACE"
        yield Finding("namespace", Status.WRONG, f"there is no namespace '{name}' for the Jobs", advice)
        return
    except Forbidden:
        yield Finding("namespace", Status.NOTE, f"not checked: you may not read namespace '{name}'")
        return
    if answers.text(found, "status", "phase") == "Terminating":
        yield Finding("namespace", Status.WRONG, f"namespace '{name}' is being deleted", "wait, then create it again")
    else:
        yield Finding("namespace", Status.OK, f"{name}, where the training Jobs will be")


def check_job(api: Api, job: Object) -> Iterator[Finding]:
    """Has the server validate the Job of a training, without creating it, and looks for what the Job names.

    Raises:
        InputError: The server refuses it, or there is no such queue or priority class.
    """
    name, found = job["metadata"]["name"], []
    with errors_explained(api):
        admission.check(api, job)
        if queue := labels.queue_of(job):
            found.append(_queue_state(api, queue))
        api.create("jobs", job, dry_run=True)
    yield from (each for each in found if each)
    yield Finding("job", Status.OK, f"the server would accept the Job of a training, such as {name}")


def _queue_state(api: Api, queue: str) -> Finding | None:
    """Returns whether a LocalQueue, which exists, admits Jobs; None where it may not be read."""
    try:
        version = answers.text(api.get_path("/apis/kueue.x-k8s.io"), "preferredVersion", "version")
        found = api.get_path(f"/apis/kueue.x-k8s.io/{version}/namespaces/{api.namespace}/localqueues/{queue}")
    except (Forbidden, NotFound):
        return None
    active = answers.condition(found, "Active")
    if answers.text(active, "status") == "False":
        why = answers.text(active, "message") or answers.text(active, "reason")
        advice = "correct its ClusterQueue and ResourceFlavors, or choose another queue"
        return Finding("queue", Status.WRONG, f"the LocalQueue '{queue}' starts no Jobs: {why}", advice)
    pending = answers.at(found, "status", "pendingWorkloads")
    waiting = f", {pending} Jobs wait in it" if isinstance(pending, int) and pending else ""
    return Finding("queue", Status.OK, f"the LocalQueue '{queue}' exists{waiting}")
