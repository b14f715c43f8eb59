"""What the cluster refuses a Job: quotas, admission, Kueue, volumes. It is told in events, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable

from components.core.errors import InputError
from components.kubernetes.client import Api, Object
from components.launch.pending_reason import Hindrance
from components.telemetry import log

_LOG = log.get(__name__)
_QUOTA = re.compile(
    r"exceeded quota: (?P<name>[^,]+), requested: (?P<requested>.*), used: (?P<used>.*), limited: (?P<limited>.*)"
)
# What admission has decided; a webhook that does not answer is another matter.
_DECIDED = re.compile(r" is forbidden: (?!not yet ready)| is invalid: |denied the request")
_POD_NAME = re.compile(r'^Error creating: pods "[^"]*" is forbidden: ')


class Refusals:
    """Looks for them. Without the permission to list events it says so once, and finds nothing."""

    def __init__(self, api: Api) -> None:
        self._api, self._is_allowed = api, True

    def of_job(self, job: Object, queue: str | None, pods: Iterable[Object]) -> Hindrance | None:
        """Returns why a Job has no pod: why none could be made after `pods`, or why Kueue holds it back."""
        # What was held against it before its last pod, or before it was resumed, has been overcome.
        since = max([job["status"].get("startTime") or "", *(pod["metadata"]["creationTimestamp"] for pod in pods)])
        created = self._newest(f"involvedObject.uid={job['metadata']['uid']},reason=FailedCreate", since=since)
        if created:
            return _of_creation(created)
        if queue:
            # Kueue's object for a Job: "job-<name>-<hash>". It may not be read, but what is said of it may.
            prefix = f"job-{job['metadata']['name']}-"
            pending = self._newest("involvedObject.kind=Workload,reason=Pending", prefix)
            return Hindrance(pending) if pending else None
        return None

    def of_pod(self, pod: Object) -> Hindrance | None:
        """Returns why a pod that has a node does not start, where its status does not tell: volumes, networks."""
        text = self._newest(f"involvedObject.uid={pod['metadata']['uid']},type=Warning")
        return Hindrance(f"its pod does not start: {text}") if text else None

    def _newest(self, selector: str, prefix: str = "", since: str = "") -> str | None:
        if not self._is_allowed:
            return None
        try:
            events = self._api.get("events", query={"fieldSelector": selector})["items"]
        except InputError as error:
            self._is_allowed = False
            _LOG.warning("quota and admission refusals will not be seen: %s", error)
            return None
        events = [event for event in events if event["involvedObject"].get("name", "").startswith(prefix)]
        newest = max((event for event in events if _time_of(event) >= since.rstrip("Z")), key=_time_of, default=None)
        return " ".join((newest.get("message") or newest["reason"]).split()) if newest else None


def _time_of(event: Object) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    found = next((time for time in times if time), event["metadata"].get("creationTimestamp") or "")
    return str(found).rstrip("Z")  # with or without microseconds, they now sort as they should


def _of_creation(message: str) -> Hindrance:
    quota = _QUOTA.search(message)
    if quota:
        never = _never_fits(quota["requested"], quota["limited"])
        return Hindrance(
            f"quota '{quota['name']}' is {'too small' if never else 'used up'}: its pod requests "
            f"{quota['requested']}, used is {quota['used']}, the limit {quota['limited']}",
            never,
        )
    return Hindrance(f"its pod is refused: {_POD_NAME.sub('', message)}", bool(_DECIDED.search(message)))


def _never_fits(requested: str, limited: str) -> bool:
    """Tells whether a pod requests more than the quota has in all; both as "cpu=1,memory=2Gi"."""
    from kubernetes.utils import parse_quantity

    limits = dict(part.split("=", 1) for part in limited.split(",") if "=" in part)
    wishes = dict(part.split("=", 1) for part in requested.split(",") if "=" in part)
    try:
        return any(parse_quantity(wishes[name]) > parse_quantity(limits[name]) for name in wishes.keys() & limits)
    except ValueError:
        return False
