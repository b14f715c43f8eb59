"""Pending reasons that only events tell: quotas, admission, Kueue, volumes, networks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from components.core.errors import StepError
from components.kubernetes.client import Api, Object
from components.kubernetes.errors import NOT_READY, Forbidden
from components.launch import labels
from components.launch.pod_state import PendingReason
from components.telemetry import log

_LOG = log.get(__name__)
_QUOTA = re.compile(
    r"exceeded quota: (?P<name>[^,]+), requested: (?P<requested>.*), used: (?P<used>.*), limited: (?P<limited>.*)"
)
# Decisions of admission, which stay as they are; a webhook that does not answer is none.
_ADMISSION_DECISION = re.compile(rf" is forbidden: (?!{NOT_READY})| is invalid: |denied the request")
_LIMIT_S = 15.0  # of a request; whether the server is away for too long is for the watches to tell
_SHORTENED, _HASH_DIGITS = 57, 5  # the longest beginning of a Workload's name with Kueue's ShortWorkloadNames
_POD_NAME = re.compile(r'^Error creating: pods "[^"]*" is forbidden: ')


class _Event(NamedTuple):
    """What happened, and when: RFC 3339 without the zone, which is UTC."""

    time: str
    text: str


class Events:
    """Reads pending reasons from events. Without the permission to list events it warns once, and finds none."""

    def __init__(self, api: Api) -> None:
        self._api, self._is_permitted = api, True

    def of_job(self, job: Object, pods: Iterable[Object]) -> PendingReason | None:
        """Returns why a Job has no pod: why none could be created since `pods`, or why Kueue holds it back."""
        # Older events tell of reasons that the Job's last pod, or its last resumption, has shown to be gone.
        since = max([job["status"].get("startTime") or "", *(pod["metadata"]["creationTimestamp"] for pod in pods)])
        created = self._newest(f"involvedObject.uid={job['metadata']['uid']},reason=FailedCreate", since=since)
        if created:
            return _creation_failure(created.text)
        if labels.queue_of(job):
            # The launcher may not read Kueue's Workload of a Job, but it may read its events. That which tells why it
            # waits has the reason "Pending" before Kueue 0.20, then the cause: "WaitingForQuota", "Misconfigured", ...
            is_ours = _workload_of(job)
            pending = self._newest("involvedObject.kind=Workload,type=Warning", is_ours)
            # Of the Job: it was preempted, or a person has deactivated its Workload.
            stopped = self._newest(f"involvedObject.uid={job['metadata']['uid']},reason=Stopped")
            newest = max(filter(None, (stopped, pending)), key=lambda event: event.time, default=None)
            return PendingReason(newest.text) if newest else None
        return None

    def of_pod(self, pod: Object) -> PendingReason | None:
        """Returns why a pod that has a node does not start, where its status has no reason: volumes, networks."""
        event = self._newest(f"involvedObject.uid={pod['metadata']['uid']},type=Warning")
        return PendingReason(f"its pod does not start: {event.text}") if event else None

    def _newest(
        self, selector: str, is_ours: Callable[[str], bool] = lambda name: True, since: str = ""
    ) -> _Event | None:
        if not self._is_permitted:
            return None
        try:
            events = self._api.get("events", query={"fieldSelector": selector}, limit_s=_LIMIT_S)["items"]
        except Forbidden as error:
            self._is_permitted = False
            _LOG.warning("events cannot be read, so refusals by quota or admission will not be shown: %s", error)
            return None
        except StepError:
            return None
        events = [event for event in events if is_ours(event["involvedObject"].get("name", ""))]
        newest = max((event for event in events if _time_of(event) >= since.rstrip("Z")), key=_time_of, default=None)
        if newest is None:
            return None
        return _Event(_time_of(newest), " ".join((newest.get("message") or newest["reason"]).split()))


def _workload_of(job: Object) -> Callable[[str], bool]:
    """Returns what tells whether a name is that of a Job's Workload: "job-<name>-<hash>".

    With Kueue's feature ShortWorkloadNames the beginning is cut off, so that several Jobs may share it: then the hash
    decides. https://github.com/kubernetes-sigs/kueue/blob/main/pkg/controller/jobframework/workload_names.go
    """
    name, uid = job["metadata"]["name"], job["metadata"]["uid"]
    digest = hashlib.sha1(f"Job\nbatch\n{name}\n{uid}".encode(), usedforsecurity=False).hexdigest()[:_HASH_DIGITS]
    long, short = f"job-{name}-", f"job-{name}"[:_SHORTENED] + f"-{digest}"
    return lambda workload: workload.startswith(long) or workload == short


def _time_of(event: Object) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    found = next((time for time in times if time), event["metadata"].get("creationTimestamp") or "")
    return str(found).rstrip("Z")  # so that times with and without microseconds sort correctly


def _creation_failure(message: str) -> PendingReason:
    quota = _QUOTA.search(message)
    if quota:
        never = _never_fits(quota["requested"], quota["limited"])
        return PendingReason(
            f"quota '{quota['name']}' is {'too small' if never else 'used up'}: its pod requests "
            f"{quota['requested']}, used is {quota['used']}, the limit {quota['limited']}",
            never,
        )
    return PendingReason(f"its pod is refused: {_POD_NAME.sub('', message)}", bool(_ADMISSION_DECISION.search(message)))


def _never_fits(requested: str, limited: str) -> bool:
    """Tells whether a pod requests more than the whole quota; both as "cpu=1,memory=2Gi"."""
    from kubernetes.utils import parse_quantity

    limits = dict(part.split("=", 1) for part in limited.split(",") if "=" in part)
    requests = dict(part.split("=", 1) for part in requested.split(",") if "=" in part)
    try:
        return any(parse_quantity(requests[name]) > parse_quantity(limits[name]) for name in requests.keys() & limits)
    except ValueError:
        return False
