"""Checks that the queue and the priority classes that a Job names exist, before the Job is created.

Kubernetes and Kueue accept a Job that names others: the first refuses its pods, the second never starts it.
"""

from __future__ import annotations

from components.core.errors import InputError
from components.kubernetes.client import Api, Object
from components.kubernetes.errors import Forbidden, NotFound
from components.launch import labels
from components.telemetry import log

_LOG = log.get(__name__)
_KUEUE_PATH = "/apis/kueue.x-k8s.io"
_LONGEST_LIST = 10
_PRIORITY_CLASSES_PATH = "/apis/scheduling.k8s.io/v1/priorityclasses"


def check(api: Api, job: Object) -> None:
    """Checks what a Job names that is to be created; one that exists already is adopted as it is.

    What the launcher may not list is not checked. Then a Job with an unknown PriorityClass ends after its pod was
    refused, and one with an unknown queue or WorkloadPriorityClass waits, with Kueue's reason in the log.

    Raises:
        InputError: The cluster has no such queue or class.
        ApiError, StepError: See Api.get.
    """
    queue, workload_class = labels.queue_of(job), job["metadata"]["labels"].get(labels.PRIORITY_CLASS)
    pod_class = job["spec"]["template"]["spec"].get("priorityClassName")
    if not (queue or pod_class) or _exists(api, job["metadata"]["name"]):
        return
    kueue = _kueue_path(api, queue) if queue else None
    if queue and kueue:
        _check_named(api, f"{kueue}/namespaces/{api.namespace}/localqueues", "LocalQueue", queue)
        if workload_class:
            _check_named(api, f"{kueue}/workloadpriorityclasses", "WorkloadPriorityClass", workload_class)
    if pod_class:
        _check_named(api, _PRIORITY_CLASSES_PATH, "PriorityClass", pod_class)


def _exists(api: Api, job_name: str) -> bool:
    try:
        return bool(api.get("jobs", job_name))
    except NotFound:
        return False


def _kueue_path(api: Api, queue: str) -> str | None:
    """Returns the path of Kueue's API in the version that the server prefers; None where it may not be asked."""
    try:
        version = api.get_path(_KUEUE_PATH)["preferredVersion"]["version"]
    except NotFound as error:
        raise InputError(
            f"the Job is for the queue '{queue}', and {api.server} has no Kueue that would start it: install Kueue, or "
            "launch it without --queue, or without the queue in the Job's template"
        ) from error
    except Forbidden as error:
        _LOG.info("whether the cluster has the queue '%s' is not checked: %s", queue, error)
        return None
    return f"{_KUEUE_PATH}/{version}"


def _check_named(api: Api, path: str, kind: str, name: str) -> None:
    where = f"namespace '{api.namespace}'" if "/namespaces/" in path else "the cluster"
    try:
        names = sorted(item["metadata"]["name"] for item in api.get_path(path)["items"])
    except Forbidden as error:
        _LOG.info("whether %s has the %s '%s' is not checked: %s", where, kind, name, error)
        return
    except NotFound:
        names = []
    if name not in names:
        option = "--queue" if kind == "LocalQueue" else "--priority-class"
        has = ", ".join(names[:_LONGEST_LIST]) + (", ..." if len(names) > _LONGEST_LIST else "") or "none"
        raise InputError(
            f"{where} has no {kind} '{name}'; it has {has}: try another {option}, or correct the Job's template"
        )
