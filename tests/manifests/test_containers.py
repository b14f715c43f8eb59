"""The command lines of overlays/kind do what they are there for: run here, as processes, with the settings rendered."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.manifests.containers import command_of, running
from tests.manifests.rendering import ROOT, all_objects, pod_templates
from tests.ports import free_port

_KIND = "overlays/kind"


def _container(name: str) -> dict[str, Any]:
    (container,) = pod_templates(all_objects(_KIND))[name]["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def test_samples_are_loaded_and_sorted(tmp_path):
    items, port = all_objects(_KIND), free_port()
    places = {
        "http://storage:9023": f"http://127.0.0.1:{port}",
        "/data": str(tmp_path / "data"),
        "0.0.0.0": "127.0.0.1",
        "9023": str(port),
        "9090": str(free_port()),
        "/app/samples": str(ROOT.parent / "samples/string"),
    }
    storage = _container("Deployment storage")
    probe = f"http://127.0.0.1:{port}{storage['startupProbe']['httpGet']['path']}"
    with running(*command_of(items, storage, places), probe, tmp_path):
        for name in ("Job load-samples", "Job luthier-sort-"):
            command, settings = command_of(items, _container(name), places)
            done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=600)
            assert done.returncode == 0, done.stderr
        launch, _ = command_of(items, _container("Job luthier-launch-"), places)
        data = next(word for word in launch if word.startswith("--data=")).removeprefix("--data=gs://luthier/")
        manifest = f"http://127.0.0.1:{port}/luthier/{data}/train/manifest.json"
        with urllib.request.urlopen(manifest) as answer:
            assert json.load(answer)["totals"]["string"] > 0


@pytest.fixture
def mlflow_server(tmp_path):
    """The MLflow of overlays/kind; yields its address."""
    items, port = all_objects(_KIND), free_port()
    places = {"/artifacts": str(tmp_path / "artifacts"), "--port=5000": f"--port={port}", "0.0.0.0": "127.0.0.1"}
    (tmp_path / "artifacts").mkdir()
    command, settings = command_of(items, _container("Deployment mlflow"), places)
    assert settings["MLFLOW_ARTIFACTS_DESTINATION"].startswith(str(tmp_path))
    address = f"http://127.0.0.1:{port}"
    with running(command, settings, f"{address}/health", tmp_path):
        yield address


def _status(address: str, host: str) -> int:
    request = urllib.request.Request(f"{address}/api/2.0/mlflow/experiments/get?experiment_id=0")
    request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code


def test_mlflow_keeps_runs_and_artifacts_and_answers_to_its_names(mlflow_server, tmp_path: Path):
    client = MlflowClient(mlflow_server)
    run = client.create_run("0")
    client.log_metric(run.info.run_id, "loss", 4.5)
    client.log_text(run.info.run_id, "a note", "note.txt")
    assert client.get_run(run.info.run_id).data.metrics == {"loss": 4.5}
    (kept,) = (tmp_path / "artifacts/files").rglob("note.txt")
    assert kept.read_text() == "a note"
    names = ("mlflow:5000", "mlflow.luthier:5000", "mlflow.luthier.svc.cluster.local:5000", "localhost:8080")
    assert {name: _status(mlflow_server, name) for name in names} == dict.fromkeys(names, 200)
    assert _status(mlflow_server, "a-page-in-a-browser.example") == 403
