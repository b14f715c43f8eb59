"""Who reaches whom, and that nobody else does."""

from __future__ import annotations

import pytest

from tests.manifests.network import Outside, Pod, allowed, selects
from tests.manifests.rendering import OVERLAYS, all_objects, of_kind, pod_templates, render


def _pod(folder: str, name: str) -> Pod:
    return Pod(pod_templates(all_objects(folder))[name]["metadata"]["labels"])


_TRAINER, _MLFLOW, _POSTGRES = "Job luthier-training", "Deployment mlflow", "StatefulSet postgres"
_LAUNCHER = Pod({"app.kubernetes.io/part-of": "luthier", "app.kubernetes.io/component": "launcher"})
_DATA = Pod({"app.kubernetes.io/part-of": "luthier", "app.kubernetes.io/component": "data"})
_STEP = {"pipelines.kubeflow.org/v2_component": "true"}
_STEP_HERE = Pod(_STEP)
_STEP_OF_KUBEFLOW = Pod(_STEP, "kubeflow", {"luthier.dev/pipelines": "true"})
_STEP_OF_STRANGERS = Pod(_STEP, "strangers")
_ANY = Pod({})
_DNS = Pod({"k8s-app": "kube-dns"}, "kube-system")
_PROMETHEUS = Pod({"app.kubernetes.io/name": "prometheus"}, "monitoring")
_STORAGE = Outside("142.250.74.123")
_API_SERVER = Outside("172.18.0.2")
_METADATA = Outside("169.254.169.254")


@pytest.mark.parametrize("folder", OVERLAYS)
def test_what_is_needed_comes_through(folder):
    policies = list(of_kind(render(folder), "NetworkPolicy").values())
    trainer, mlflow = _pod(folder, _TRAINER), _pod(folder, _MLFLOW)
    for pod in (trainer, mlflow, _DATA, _LAUNCHER, _STEP_HERE):
        assert allowed(policies, pod, _DNS, 53, "UDP")
        assert allowed(policies, pod, _DNS, 53, "TCP")
        assert allowed(policies, pod, _STORAGE, 443)
        assert allowed(policies, pod, mlflow, 5000)
    for port in (2222, 45_123):  # TensorFlow's, one of NCCL's
        assert allowed(policies, trainer, trainer, port)
    assert allowed(policies, _PROMETHEUS, trainer, 9090)
    assert allowed(policies, _PROMETHEUS, _DATA, 9090)
    assert allowed(policies, _STEP_OF_KUBEFLOW, mlflow, 5000)
    for port in (443, 6443):
        assert allowed(policies, _LAUNCHER, _API_SERVER, port)
        assert allowed(policies, _STEP_HERE, _API_SERVER, port)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_nothing_else_does(folder):
    policies = list(of_kind(render(folder), "NetworkPolicy").values())
    trainer, mlflow = _pod(folder, _TRAINER), _pod(folder, _MLFLOW)
    for pod in (trainer, mlflow, _DATA):
        for port in (443, 6443):
            assert not allowed(policies, pod, _API_SERVER, port)
        assert not allowed(policies, pod, _STORAGE, 80)
    assert not allowed(policies, _ANY, _STORAGE, 443)
    for pod in (_LAUNCHER, _STEP_HERE):  # the API server's port, elsewhere
        assert not allowed(policies, pod, _STORAGE, 6443)
    assert not allowed(policies, _STEP_HERE, Pod({}, "strangers"), 443)
    assert not allowed(policies, _DATA, trainer, 2222)
    assert not allowed(policies, trainer, trainer, 22)
    assert not allowed(policies, _PROMETHEUS, trainer, 2222)
    assert not allowed(policies, _PROMETHEUS, mlflow, 5000)
    assert not allowed(policies, _STEP_OF_STRANGERS, mlflow, 5000)
    assert not allowed(policies, Pod({}, "strangers"), trainer, 9090)


@pytest.mark.parametrize("folder", [folder for folder in OVERLAYS if folder != "overlays/kind"])
def test_only_mlflow_reaches_the_database(folder):
    policies = list(of_kind(render(folder), "NetworkPolicy").values())
    postgres = _pod(folder, _POSTGRES)
    assert allowed(policies, _pod(folder, _MLFLOW), postgres, 5432)
    for pod in (_pod(folder, _TRAINER), _DATA, _LAUNCHER, _STEP_HERE, _STEP_OF_KUBEFLOW, _ANY):
        assert not allowed(policies, pod, postgres, 5432)
    assert not allowed(policies, postgres, _STORAGE, 443)


def test_kind_reaches_its_storage():
    policies = list(of_kind(render("overlays/kind"), "NetworkPolicy").values())
    storage = _pod("overlays/kind", "Deployment storage")
    for name in (_TRAINER, "Job load-samples", "Job luthier-sort-", "Job luthier-launch-"):
        assert allowed(policies, _pod("overlays/kind", name), storage, 9023)
    assert allowed(policies, _STEP_OF_KUBEFLOW, storage, 9023)
    assert not allowed(policies, _STEP_OF_STRANGERS, storage, 9023)


def test_gke_gets_tokens_from_the_metadata_server_and_base_does_not():
    for folder, expected in (("overlays/gke", True), ("base", False)):
        policies = list(of_kind(render(folder), "NetworkPolicy").values())
        assert allowed(policies, _pod(folder, _TRAINER), _METADATA, 80) is expected
        assert allowed(policies, _pod(folder, _TRAINER), _METADATA, 53, "UDP") is expected
        assert allowed(policies, _STEP_HERE, _METADATA, 988) is expected
        assert allowed(policies, _pod(folder, _POSTGRES), _METADATA, 53, "UDP") is expected
        for port in (80, 988):
            assert not allowed(policies, _pod(folder, _POSTGRES), _METADATA, port)
            assert not allowed(policies, _ANY, _METADATA, port)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_policy_is_about_pods_that_there_are(folder):
    pods = [pod["metadata"]["labels"] for pod in pod_templates(all_objects(folder)).values()]
    pods += [_DATA.labels, _LAUNCHER.labels, _STEP]
    for name, policy in of_kind(render(folder), "NetworkPolicy").items():
        assert any(selects(policy["spec"]["podSelector"], labels) for labels in pods), name
