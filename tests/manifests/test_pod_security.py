"""Every pod passes the admission of its namespace, and carries no more than it needs."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.manifests.pod_security import violations
from tests.manifests.rendering import OVERLAYS, all_objects, of_kind, pod_templates, render, training_job

# Who has a token of the Kubernetes API, and why.
_SPEAKS_TO_KUBERNETES = {
    "Job luthier-launch-": "creates and watches the Jobs of trainings",
    "CronJob luthier-unattended": "suspends the Jobs of trainings",
}
_NO_CPU_LIMIT = {"luthier-training": "would throttle the input of a GPU"}


@pytest.mark.parametrize("folder", OVERLAYS)
def test_namespace_enforces_restricted(folder):
    (namespace,) = of_kind(render(folder), "Namespace").values()
    for mode in ("enforce", "audit", "warn"):
        assert namespace["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}"] == "restricted"
        assert namespace["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}-version"] == "v1.36"


@pytest.mark.parametrize("folder", OVERLAYS)
def test_pods_pass_restricted(folder):
    templates = pod_templates(all_objects(folder))
    assert {"Deployment mlflow", "Job luthier-training"} <= set(templates)
    found = {name: violations(pod["spec"]) for name, pod in templates.items()}
    assert not {name: problems for name, problems in found.items() if problems}


def _changed(change: Any) -> dict[str, Any]:
    pod = copy.deepcopy(training_job(render("base"))["spec"]["template"]["spec"])
    change(pod, pod["containers"][0])
    return pod


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda pod, trainer: pod.update(hostNetwork=True), "hostNetwork"),
        (lambda pod, trainer: pod["securityContext"].pop("runAsNonRoot"), "trainer: runs as root"),
        (lambda pod, trainer: pod["securityContext"].update(runAsUser=0), "trainer: runs as root"),
        (lambda pod, trainer: pod["securityContext"].pop("seccompProfile"), "trainer: seccompProfile"),
        (lambda pod, trainer: trainer.pop("securityContext"), "trainer: capabilities"),
        (
            lambda pod, trainer: trainer["securityContext"].update(allowPrivilegeEscalation=True),
            "trainer: allowPrivilegeEscalation",
        ),
        (
            lambda pod, trainer: pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
            "volume host: hostPath",
        ),
    ],
)
def test_bad_pod_is_told(change, expected):
    assert expected in violations(_changed(change))


@pytest.mark.parametrize("folder", OVERLAYS)
def test_root_is_read_only_and_temporary_files_have_a_place(folder):
    for name, pod in pod_templates(all_objects(folder)).items():
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}, name


@pytest.mark.parametrize("folder", OVERLAYS)
def test_only_the_launcher_has_a_token(folder):
    for name, pod in pod_templates(all_objects(folder)).items():
        assert pod["spec"]["automountServiceAccountToken"] is (name in _SPEAKS_TO_KUBERNETES), name
    for name, account in of_kind(render(folder), "ServiceAccount").items():
        assert account["automountServiceAccountToken"] is (name == "luthier-launcher")


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_container_says_what_it_needs(folder):
    for name, pod in pod_templates(all_objects(folder)).items():
        for volume in pod["spec"].get("volumes", []):
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"], name
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            resources = container["resources"]
            assert {"cpu", "memory"} <= set(resources["requests"]), name
            assert "memory" in resources["limits"], name
            assert "cpu" in resources["limits"] or name.removeprefix("Job ") in _NO_CPU_LIMIT, name
            assert ":" in container["image"].rpartition("/")[2] and not container["image"].endswith(":latest"), name
