"""What an object names is there: accounts, settings, volumes, the pods of a Service, the Role's subjects."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.manifests.rendering import OVERLAYS, ROOT, all_objects, of_kind, pod_templates, render, training_job

_MADE_BY_THE_USER = {"luthier-mlflow"}  # the Secret with the database's password


def _named_by(pod: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields (kind, name) of what a pod needs before it can start."""
    yield "ServiceAccount", pod.get("serviceAccountName", "default")
    if "priorityClassName" in pod:
        yield "PriorityClass", pod["priorityClassName"]
    for volume in pod.get("volumes", []):
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        for source in container.get("envFrom", []):
            yield "ConfigMap", source["configMapRef"]["name"]
        for variable in container.get("env", []):
            if "secretKeyRef" in variable.get("valueFrom", {}):
                yield "Secret", variable["valueFrom"]["secretKeyRef"]["name"]


@pytest.mark.parametrize("folder", OVERLAYS)
def test_pods_find_what_they_name(folder):
    items = all_objects(folder)
    there = {(item["kind"], item["metadata"].get("name")) for item in items}
    there |= {("Secret", name) for name in _MADE_BY_THE_USER} | {("ServiceAccount", "default")}
    missing = {name: set(_named_by(pod["spec"])) - there for name, pod in pod_templates(items).items()}
    assert not {name: names for name, names in missing.items() if names}


@pytest.mark.parametrize("folder", OVERLAYS)
def test_containers_mount_volumes_that_are_there(folder):
    for name, pod in pod_templates(all_objects(folder)).items():
        volumes = {volume["name"] for volume in pod["spec"].get("volumes", [])}
        if name == "StatefulSet postgres":
            volumes.add("data")
        mounted = {
            mount["name"]
            for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
            for mount in container["volumeMounts"]
        }
        assert mounted == volumes, name


@pytest.mark.parametrize("folder", OVERLAYS)
def test_no_secret_value_is_in_a_file(folder):
    assert not of_kind(render(folder), "Secret")


@pytest.mark.parametrize("folder", OVERLAYS)
def test_services_find_their_pods_and_ports(folder):
    items = all_objects(folder)
    for name, service in of_kind(items, "Service").items():
        ports = [
            {port["name"] for container in pod["spec"]["containers"] for port in container.get("ports", [])}
            for pod in pod_templates(items).values()
            if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        ]
        assert len(ports) == 1, name
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports[0], name


@pytest.mark.parametrize("folder", OVERLAYS)
def test_controllers_select_their_own_pods(folder):
    for item in of_kind(render(folder), "Deployment", "StatefulSet").values():
        wanted = item["spec"]["selector"]["matchLabels"].items()
        assert wanted <= item["spec"]["template"]["metadata"]["labels"].items()


# Each lists the classes that a launcher checks; all of a cluster's installations share it.
_CLASS_ROLES = {
    "overlays/gke": {"luthier-priority-classes"},
    "overlays/kueue": {"luthier-workload-priority-classes"},
}


@pytest.mark.parametrize("folder", OVERLAYS)
def test_the_launcher_may_do_what_it_does_and_no_more(folder):
    items = render(folder)
    (role,) = of_kind(items, "Role").values()
    (binding,) = of_kind(items, "RoleBinding").values()
    assert (
        set(of_kind(items, "ClusterRole"))
        == set(of_kind(items, "ClusterRoleBinding"))
        == _CLASS_ROLES.get(folder, set())
    )
    for cluster_role in of_kind(items, "ClusterRole").values():
        assert [rule["verbs"] for rule in cluster_role["rules"]] == [["list"]]
    assert binding["roleRef"]["name"] == role["metadata"]["name"] == "luthier-launcher"
    namespace = binding["metadata"]["namespace"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "luthier-launcher", "namespace": namespace}]
    allowed = {
        (resource, *rule.get("resourceNames", [])): set(rule["verbs"])
        for rule in role["rules"]
        for resource in rule["resources"]
    }
    queues = {("localqueues",): {"list"}} if folder == "overlays/kueue" else {}
    assert allowed == queues | {
        ("jobs",): {"get", "list", "watch", "create", "patch", "delete"},
        ("pods",): {"get", "list", "watch"},
        ("pods/log",): {"get"},
        ("events",): {"list"},
        ("configmaps", "luthier-training-job"): {"get"},
    }


_CLUSTER_WIDE = {
    "ClusterRole",
    "ClusterRoleBinding",
    "Namespace",
    "PriorityClass",
    "ClusterQueue",
    "ResourceFlavor",
    "WorkloadPriorityClass",
}


@pytest.mark.parametrize("folder", OVERLAYS)
def test_everything_is_in_the_namespace(folder):
    for item in render(folder):
        expected = None if item["kind"] in _CLUSTER_WIDE else "luthier"
        assert item["metadata"].get("namespace") == expected, item["metadata"]["name"]


@pytest.mark.parametrize("folder", OVERLAYS)
def test_everything_moves_to_another_namespace(folder, tmp_path):
    shutil.copytree(ROOT, tmp_path / "manifests")
    mine = {"namespace": "elsewhere", "resources": [f"manifests/{folder}"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(mine))
    items = render(str(tmp_path))
    assert "luthier" not in {item["metadata"].get("namespace") for item in items}
    assert list(of_kind(items, "Namespace")) == ["elsewhere"]
    (binding,) = of_kind(items, "RoleBinding").values()
    assert {subject["namespace"] for subject in binding["subjects"]} == {"elsewhere"}
    assert training_job(items) == training_job(render(folder))
