"""The state of a namespace in words, for the message of a wait that was in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster, Object

_EVENTS = 25
_LOG_LINES = 15
_COUNTS = ("active", "ready", "succeeded", "failed")


def describe(cluster: Cluster) -> str:
    """Returns the Jobs, pods, newest events, and the end of each pod's log."""
    pods = cluster.pods()
    parts = [
        ("Jobs", [_job(job) for job in cluster.jobs()]),
        ("pods", [_pod(pod) for pod in pods]),
        ("events", [_event(event) for event in sorted(cluster.events(), key=_when)[-_EVENTS:]]),
    ]
    for pod in pods:
        name = pod["metadata"]["name"]
        parts.append((f"log of {name}", cluster.log(name, _LOG_LINES).splitlines()))
    return "\n".join(
        f"{title} in {cluster.namespace}:\n" + "\n".join(f"  {line}" for line in lines or ["(none)"])
        for title, lines in parts
    )


def _job(job: Object) -> str:
    status = job.get("status", {})
    counts = ", ".join(
        f"{name} {status[name]}" for name in ("active", "ready", "succeeded", "failed") if name in status
    )
    conditions = "; ".join(
        f"{entry['type']}={entry['status']} {entry.get('reason', '')} {entry.get('message', '')}".strip()
        for entry in status.get("conditions") or []
    )
    suspended = "suspended" if job["spec"].get("suspend") else ""
    return f"{job['metadata']['name']}: " + "; ".join(filter(None, [suspended, counts, conditions]))


def _pod(pod: Object) -> str:
    status = pod.get("status", {})
    words = [status.get("phase", "Unknown"), status.get("reason", ""), status.get("message", "")]
    words += [
        f"{entry['type']}: {entry.get('message', '')}"
        for entry in status.get("conditions") or []
        if entry["status"] == "False" and entry.get("message")
    ]
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        for state, details in (container.get("state") or {}).items():
            code = f" exit code {details['exitCode']}" if "exitCode" in details else ""
            said = " ".join(filter(None, [details.get("reason"), details.get("message")]))
            words.append(f"{container['name']} {state}{code} {said}".strip())
    return f"{pod['metadata']['name']}: " + "; ".join(filter(None, words))


def _event(event: Object) -> str:
    about = event.get("involvedObject", {})
    return f"{_when(event)} {about.get('kind')}/{about.get('name')} {event.get('reason')}: {event.get('message')}"


def _when(event: Object) -> str:
    return event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or ""
