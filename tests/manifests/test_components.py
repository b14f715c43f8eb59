"""The components that no overlay of ours includes: each does what it is for, and all of them stand together."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from components.launch.template import container_of
from tests.manifests.network import Outside, Pod, allowed
from tests.manifests.pod_security import violations
from tests.manifests.rendering import ROOT, of_kind, pod_templates, render, training_job

_OURS = (
    "gcs-key",
    "google-private-access",
    "job-policy",
    "mlflow-basic-auth",
    "mlflow-login",
    "private-registry",
    "proxy",
)
_STORAGE, _PRIVATE_STORAGE, _PROXY = Outside("142.250.74.123"), Outside("199.36.153.9"), Outside("10.0.0.2")
_STEP = Pod({"pipelines.kubeflow.org/v2_component": "true"})

Render = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def with_components(tmp_path: Path) -> Render:
    """Renders an overlay of ours with components."""

    def render_with(*names: str, of: str = "base") -> list[dict[str, Any]]:
        mine = {
            "resources": [os.path.relpath(ROOT / of, tmp_path)],
            "components": [os.path.relpath(ROOT / "components" / name, tmp_path) for name in names],
        }
        (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(mine))
        items = render(str(tmp_path))
        return [*items, training_job(items)]

    return render_with


def _secrets(item: Any) -> set[str]:
    """Returns the names of the Secrets that an object names, wherever."""
    if isinstance(item, list):
        return {name for each in item for name in _secrets(each)}
    if not isinstance(item, dict):
        return set()
    found = {item["secretName"]} if "secretName" in item else set()
    for key in ("secretKeyRef", "secretRef"):
        found |= {item[key]["name"]} if key in item else set()
    return found | {name for each in item.values() for name in _secrets(each)}


@pytest.mark.parametrize("overlay", ["base", "overlays/gke"])
@pytest.mark.parametrize("without", ["proxy", "google-private-access"])  # these two exclude each other
def test_they_stand_together_and_their_pods_are_admitted(with_components, overlay, without):
    items = with_components(*(name for name in _OURS if name not in (without, "mlflow-login")), of=overlay)
    for item in items:
        kubernetes_validate.validate(item, "1.36", strict=True)
    assert not {name: found for name, pod in pod_templates(items).items() if (found := violations(pod["spec"]))}
    for name, pod in pod_templates(items).items():
        volumes = {volume["name"] for volume in pod["spec"].get("volumes", [])} | {"data"}
        for container in pod["spec"]["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes, name


def test_a_key_file_is_where_its_variable_says(with_components):
    items = with_components("gcs-key")
    for name in ("Job luthier-training", "Deployment mlflow", "CronJob luthier-retrain"):
        pod = pod_templates(items)[name]["spec"]
        (container,) = pod["containers"]
        (path,) = [entry["value"] for entry in container["env"] if entry["name"] == "GOOGLE_APPLICATION_CREDENTIALS"]
        (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "gcs-key"]
        assert path == f"{mount['mountPath']}/key.json"
        assert {"name": "gcs-key", "secret": {"secretName": "luthier-gcs-key", "defaultMode": 0o440}} in pod["volumes"]
        assert pod["securityContext"]["fsGroup"]


def test_clients_log_in_to_mlflow(with_components):
    items = with_components("mlflow-login")
    for name in ("Job luthier-training", "CronJob luthier-retrain"):
        (container,) = pod_templates(items)[name]["spec"]["containers"]
        given = {entry["name"]: entry.get("valueFrom", {}).get("secretKeyRef") for entry in container["env"]}
        for variable in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
            assert given[variable] == {"name": "luthier-mlflow-login", "key": variable, "optional": True}


def test_mlflow_asks_for_a_login_with_the_users_in_its_database(with_components):
    items = with_components("mlflow-basic-auth")
    pod = pod_templates(items)["Deployment mlflow"]["spec"]
    (container,) = pod["containers"]
    assert "--app-name=basic-auth" in container["args"]
    (name,) = [name for name in of_kind(items, "ConfigMap") if name.startswith("mlflow-auth-")]
    assert {"name": "auth", "configMap": {"name": name}} in pod["volumes"]
    (settings,) = [
        each["data"] for key, each in of_kind(items, "ConfigMap").items() if "MLFLOW_WORKERS" in each["data"]
    ]
    text = of_kind(items, "ConfigMap")[name]["data"]["basic_auth.ini"]
    assert f"database_uri = {settings['MLFLOW_BACKEND_STORE_URI']}\n" in text
    assert "password" not in text.replace("PGPASSWORD is its password", "")


def test_every_pod_can_pull_from_a_private_registry(with_components):
    items = with_components("private-registry")
    secret = [{"name": "luthier-registry"}]
    accounts = of_kind(items, "ServiceAccount")
    assert all(account["imagePullSecrets"] == secret for account in accounts.values())
    for name, pod in pod_templates(items).items():
        assert pod["spec"].get("serviceAccountName") in accounts or pod["spec"]["imagePullSecrets"] == secret, name


def _reach(items: list[dict[str, Any]], target: Outside, port: int) -> set[str]:
    policies = list(of_kind(items, "NetworkPolicy").values())
    pods = {name: Pod(pod["metadata"]["labels"]) for name, pod in pod_templates(items).items()} | {"step": _STEP}
    return {name for name, pod in pods.items() if allowed(policies, pod, target, port)}


_USE_STORAGE = {
    "Job luthier-training",
    "Deployment mlflow",
    "CronJob luthier-retrain",
    "CronJob luthier-unattended",
    "step",
}


def test_with_private_access_nothing_public_is_reached(with_components):
    items = with_components("google-private-access")
    assert _reach(items, _PRIVATE_STORAGE, 443) == _USE_STORAGE
    assert not _reach(items, _STORAGE, 443)


def test_with_a_proxy_nothing_public_is_reached_but_through_it(with_components):
    items = with_components("proxy")
    assert _reach(items, _PROXY, 3128) == _USE_STORAGE
    assert not _reach(items, _STORAGE, 443)
    settings = of_kind(items, "ConfigMap")["luthier-config"]["data"]
    assert settings["HTTPS_PROXY"] == settings["HTTP_PROXY"] == f"http://{_PROXY.address}:3128"


@pytest.mark.parametrize(
    "url", ["http://mlflow:5000", "http://mlflow.luthier:5000", "http://ml-pipeline.kubeflow:8888"]
)
def test_names_of_the_cluster_do_not_go_through_the_proxy(with_components, monkeypatch, url):
    from requests.utils import should_bypass_proxies

    settings = of_kind(with_components("proxy"), "ConfigMap")["luthier-config"]["data"]
    monkeypatch.setenv("NO_PROXY", settings["NO_PROXY"])
    monkeypatch.delenv("no_proxy", raising=False)
    assert should_bypass_proxies(url, None)
    assert should_bypass_proxies("https://10.96.0.1:443", None)
    assert not should_bypass_proxies("https://storage.googleapis.com", None)


def test_the_policy_of_jobs_allows_what_our_template_uses_and_no_other_secret(with_components):
    items = with_components("job-policy", "gcs-key", "mlflow-login", "private-registry")
    (namespace,) = of_kind(items, "Namespace").values()
    assert namespace["metadata"]["labels"]["luthier.dev/job-policy"] == "enforce"
    (binding,) = of_kind(items, "ValidatingAdmissionPolicyBinding").values()
    assert binding["spec"]["matchResources"]["namespaceSelector"]["matchLabels"] == {
        "luthier.dev/job-policy": "enforce"
    }
    (policy,) = of_kind(items, "ValidatingAdmissionPolicy").values()
    lists = {entry["name"]: entry["expression"] for entry in policy["spec"]["variables"]}
    job = training_job(items)
    assert lists["allowedSecrets"] == str(sorted(_secrets(job)))
    (source,) = container_of(job)["envFrom"]
    assert lists["allowedConfigMaps"] == str([source["configMapRef"]["name"]])
    assert lists["allowedPullSecrets"] == "['luthier-registry']"
