"""The simulated API server's rules: permissions, refusals, and how a patch is merged."""

from __future__ import annotations

from datetime import UTC, datetime

TOKEN = "launcher-token"
USER = "system:serviceaccount:luthier:luthier-launcher"
# Role luthier-launcher of manifests/base, with what components/priority and components/kueue add.
ROLE = {
    *((verb, "jobs") for verb in ("get", "list", "watch", "create", "patch", "delete")),
    *((verb, "pods") for verb in ("get", "list", "watch")),
    ("get", "pods/log"),
    ("list", "events"),
    ("get", "configmaps"),
    *(("list", name) for name in ("priorityclasses", "workloadpriorityclasses", "localqueues")),
}
CONFIG_MAPS = {"luthier-training-job"}
GROUPS = {
    "jobs": "batch",
    "priorityclasses": "scheduling.k8s.io",
    "workloadpriorityclasses": "kueue.x-k8s.io",
    "localqueues": "kueue.x-k8s.io",
}
KINDS = {
    "jobs": ("batch/v1", "Job"),
    "pods": ("v1", "Pod"),
    "events": ("v1", "Event"),
    "configmaps": ("v1", "ConfigMap"),
    "priorityclasses": ("scheduling.k8s.io/v1", "PriorityClass"),
    "workloadpriorityclasses": ("kueue.x-k8s.io/v1beta2", "WorkloadPriorityClass"),
    "localqueues": ("kueue.x-k8s.io/v1beta2", "LocalQueue"),
}


class RefusedError(Exception):
    """An answer that is a Status, with its HTTP code."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }


class Log:
    """A container's log: lines with their times, and whether there will be more."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []  # nanoseconds, text; below 0 for a line without a time
        self.is_over = False


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def merge(found: object, patch: object) -> object:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(found) if isinstance(found, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result
