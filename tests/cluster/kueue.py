"""The queue of the tests: that of components/kueue, in the namespace of the tests, and with room for one training."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from tests.cluster.cluster import Cluster
from tests.manifests.rendering import of_kind, render

QUEUE = "luthier"
# Of the whole cluster, the same for every installation, so they stay after the tests if they were there before.
_SHARED = ("WorkloadPriorityClass", "ClusterRole", "ClusterRoleBinding")
# A training of overlays/kind requests 0.5 CPUs and up to one GPU.
_QUOTAS = {"cpu": "700m", "memory": "64Gi", "ephemeral-storage": "100Gi", "nvidia.com/gpu": "4"}


def is_installed(cluster: Cluster) -> bool:
    """Tells whether the cluster has Kueue."""
    return bool(cluster.kubectl("api-resources", "--api-group=kueue.x-k8s.io", "-o", "name").strip())


@contextmanager
def installed(cluster: Cluster) -> Iterator[None]:
    """Creates the queue, its priority classes and the permissions of launchers; removes them afterwards."""
    items = render("overlays/kueue")
    shared = [item for item in items if item["kind"] in _SHARED]
    own = [*_queues(items, cluster.namespace), _role(items, cluster.namespace)]
    missing = [item for item in shared if not _is_there(cluster, item)]
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([*shared, *own]))
    try:
        yield
    finally:
        removed = [item for item in [*missing, *own] if item["kind"] != "Role"]
        cluster.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=yaml.safe_dump_all(removed))


def workload_of(cluster: Cluster, job: dict[str, Any]) -> dict[str, Any]:
    """Returns Kueue's Workload of a Job, by the command of docs/operations.md."""
    selector = f"kueue.x-k8s.io/job-uid={job['metadata']['uid']}"
    found = json.loads(cluster.kubectl("get", "workloads.kueue.x-k8s.io", "-l", selector, "-o", "json"))["items"]
    assert len(found) == 1, found
    workload: dict[str, Any] = found[0]
    return workload


def set_active(cluster: Cluster, job: dict[str, Any], is_active: bool) -> None:
    """Pauses or resumes a Job that Kueue manages, by the command of docs/operations.md."""
    name, patch = workload_of(cluster, job)["metadata"]["name"], json.dumps({"spec": {"active": is_active}})
    cluster.kubectl("patch", "workloads.kueue.x-k8s.io", name, "--type=merge", "--patch", patch)


def _queues(items: Iterable[dict[str, Any]], namespace: str) -> list[dict[str, Any]]:
    """Returns a flavor without a selector, and the queues, whose names only this namespace has."""
    items = list(items)
    flavor = next(iter(of_kind(items, "ResourceFlavor").values()))
    flavor["metadata"]["name"] = namespace
    flavor["spec"].pop("nodeLabels")
    (cluster_queue,) = of_kind(items, "ClusterQueue").values()
    cluster_queue["metadata"]["name"] = namespace
    (group,) = cluster_queue["spec"]["resourceGroups"]
    resources = [{"name": name, "nominalQuota": _QUOTAS[name]} for name in group["coveredResources"]]
    group["flavors"] = [{"name": namespace, "resources": resources}]
    (local_queue,) = of_kind(items, "LocalQueue").values()
    local_queue["metadata"] = {"name": QUEUE, "namespace": namespace}
    local_queue["spec"]["clusterQueue"] = namespace
    return [flavor, cluster_queue, local_queue]


def _role(items: Iterable[dict[str, Any]], namespace: str) -> dict[str, Any]:
    (role,) = of_kind(items, "Role").values()
    role["metadata"]["namespace"] = namespace
    return role


def _is_there(cluster: Cluster, item: dict[str, Any]) -> bool:
    return bool(cluster.kubectl("get", item["kind"], item["metadata"]["name"], "--ignore-not-found", "-o", "name"))
