"""`luthier doctor`, on the cluster of tests/preflight and on the stand-in for Kubeflow Pipelines."""

from __future__ import annotations

import json

import pytest

from components import storage
from components.core.backoff import RetryPolicy
from pipelines.doctor.kubeflow import check_kubeflow
from pipelines.kubeflow.client import Kubeflow, connect
from pipelines.kubeflow.endpoint import Endpoint
from tests.preflight.conftest import cluster as cluster  # a fixture


@pytest.fixture
def options(cluster, gcs, tmp_path, monkeypatch):
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me", "namespace": "luthier"}}],
        "clusters": [{"name": "here", "cluster": {"server": cluster.url}}],
        "users": [{"name": "me", "user": {"token": "a"}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.delenv("KFP_HOST", raising=False)
    monkeypatch.setenv("LUTHIER_TRAIN_IMAGE", "registry.example.com/trainer:1")
    monkeypatch.setenv("LUTHIER_DATA_IMAGE", "registry.example.com/data:1")
    bucket = gcs.bucket()
    storage.write_bytes(f"{bucket}/recordings/string/a.wav", b"not read")
    parameters = {
        "source": f"{bucket}/recordings",
        "workspace": f"{bucket}/ws",
        "families": "string",
        "preset": "smoke",
    }
    return [part for name, value in parameters.items() for part in ("-p", f"{name}={value}")]


def test_a_cluster_that_is_ready(cluster, kfp_api, options, luthier):
    settings = {"LUTHIER_NAMESPACE": "luthier", "MLFLOW_TRACKING_URI": "http://mlflow.luthier:5000"}
    cluster.answers["/api/v1/namespaces/kubeflow/configmaps/luthier-config"] = {"data": settings}
    cluster.answers["/api/v1/namespaces/luthier/services/mlflow"] = {}
    cluster.answers["/apis/discovery.k8s.io/v1/namespaces/luthier/endpointslices"] = cluster.recorded["slices"]
    node = cluster.answers["/api/v1/nodes"]["items"][0]
    node["status"]["allocatable"] |= {"cpu": "32", "memory": "128Gi"}
    done = luthier("doctor", "--host", kfp_api.host, "--read-only", "--json", *options)
    findings = json.loads(done.out)
    assert done.code == 0, done
    checks = ["parameters", "source", "workspace", "workspace", "kubernetes", "kubeflow", "settings", "namespace"]
    checks += ["permissions", "pipeline", "job", "quota", "nodes", "registry", "gpu-hours"]
    assert {each["check"] for each in findings} == set(checks)
    assert {each["status"] for each in findings} <= {"ok", "note"}
    assert not cluster.created and not cluster.deleted


def test_what_is_wrong_is_named_with_what_to_do(cluster, options, luthier):
    cluster.denied = {"create jobs"}
    cluster.answers["/version"] = {"gitVersion": "v1.34.4"}
    done = luthier("doctor", "--read-only", *options)
    assert done.code == 2 and "Traceback" not in done.err
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert "wrong settings the steps will create their Jobs in namespace 'kubeflow', not in 'luthier'" in lines
    setting = "kubectl -n kubeflow create configmap luthier-config --from-literal=LUTHIER_NAMESPACE=luthier"
    assert f"-> {setting}, or try --jobs-namespace kubeflow" in lines
    assert "wrong permissions you may not create jobs in namespace 'luthier'" in lines
    create = "-> kubectl -n luthier create rolebinding luthier-pipelines --role=luthier-launcher"
    assert f"{create} --serviceaccount=kubeflow:pipeline-runner" in lines
    assert any(line.startswith("wrong registry no MLflow: expected") for line in lines)
    assert done.err.splitlines()[-1].endswith("checks failed")


def test_settings_that_exist_are_to_be_changed_and_not_created(cluster, options, luthier):
    path = "/api/v1/namespaces/kubeflow/configmaps/luthier-config"
    cluster.answers[path] = {
        "data": {"LUTHIER_NAMESPACE": "other", "MLFLOW_TRACKING_URI": "http://mlflow.luthier:5000"}
    }
    done = luthier("doctor", "--read-only", "--json", *options)
    (found,) = [each for each in json.loads(done.out) if each["check"] == "settings"]
    patch = "kubectl -n kubeflow patch configmap luthier-config --type=merge"
    assert found["advice"].startswith(f"{patch} -p '{json.dumps({'data': {'LUTHIER_NAMESPACE': 'luthier'}})}'")
    assert found["advice"].endswith("or try --jobs-namespace other")


def test_a_cluster_without_the_namespace_of_the_steps_is_one_finding(cluster, options, luthier):
    del cluster.answers["/api/v1/namespaces/kubeflow"]
    cluster.answers["/apis/batch/v1/namespaces/luthier/jobs"] = 403  # no pod of an image to wait for
    done = luthier("doctor", "--json", *options)
    findings = json.loads(done.out)
    (found,) = [each for each in findings if "no namespace 'kubeflow'" in each["text"]]
    assert done.code == 2 and found["check"] == "settings" and "install Kubeflow Pipelines" in found["advice"]
    assert "pipeline" not in {each["check"] for each in findings}


def test_a_cluster_that_is_away_ends_in_one_line(options, luthier, monkeypatch, tmp_path):
    monkeypatch.setattr("pipelines.doctor.checks.POLICY", RetryPolicy(limit_s=0.1, first_pause_s=0.01))
    config = (tmp_path / "kubeconfig").read_text()
    cluster_url = json.loads(config)["clusters"][0]["cluster"]["server"]
    (tmp_path / "kubeconfig").write_text(config.replace(cluster_url, "http://127.0.0.1:9"))
    done = luthier("doctor", "--read-only", *options)
    assert done.code == 2
    (line,) = [line for line in done.out.splitlines() if line.startswith("no answer")]
    assert "kubernetes" in line and "127.0.0.1:9" in line


def test_versions_of_kubeflow_pipelines(kfp_api, monkeypatch):
    """In kubernetes_executor_config.proto, SecretAsEnv is `optional` from 2.15.0 on."""
    kubeflow, found = connect(Endpoint(kfp_api.host, "", "", None, None)), {}
    for version in ("2.17.0", "2.15.0", "2.14.4", "2.5.0", ""):
        monkeypatch.setattr(Kubeflow, "version", lambda self, version=version: version)
        (finding,) = check_kubeflow(kubeflow)
        found[version] = str(finding.status)
    assert found == {"2.17.0": "ok", "2.15.0": "note", "2.14.4": "wrong", "2.5.0": "wrong", "": "note"}
