"""Curves in MLflow while they grow: nothing twice, nothing lost, and a registry that is down costs nothing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.artifacts.metrics_log import read_lines
from tests.conftest import _free_port
from tests.train.trainings import BINDINGS, assert_same, command, last_step, run_json

_ENDLESS = [*BINDINGS, "train.max_steps = 100000", "train.checkpoint_every_s = 1"]


@pytest.fixture
def registry(tmp_path) -> str:
    return f"sqlite:///{tmp_path}/mlflow/mlflow.db"


def _runs(registry: str):
    client = MlflowClient(tracking_uri=registry)
    experiment = client.get_experiment_by_name("luthier")
    return client, client.search_runs([experiment.experiment_id]) if experiment else []


def _assert_has_all(client: MlflowClient, run_id: str, out: Path) -> None:
    """Asserts that the run has the points of metrics.jsonl, each once."""
    for split in ("train", "valid"):
        lines = [line for line in read_lines(out / "metrics.jsonl") if line["split"] == split]
        points = client.get_metric_history(run_id, f"{split}/spectral_loss")
        assert [(each.step, each.value) for each in points] == [(each["step"], each["spectral_loss"]) for each in lines]


def test_a_training_is_a_run_with_parameters_and_curves(undisturbed, data, nursery, tmp_path, registry):
    out = tmp_path / "run-7" / "string-harmonic"
    code, said = nursery.run(*command(data, out, BINDINGS, "--tracking-uri", registry), MLFLOW_RUN_ID="pipelines-run")
    assert code == 0, said
    client, [run] = _runs(registry)
    assert run.info.run_id == run_json(out)["mlflow_run_id"]
    assert (run.info.run_name, run.info.status) == ("run-7/string-harmonic", "FINISHED")
    assert run.data.tags["mlflow.parentRunId"] == "pipelines-run"
    assert run.data.params["train.batch_size"] == "2"
    assert run.data.params["synth"] == "harmonic"
    assert {"train/learning_rate", "train/steps_per_s", "valid/spectral_loss"} <= set(run.data.metrics)
    _assert_has_all(client, run.info.run_id, out)
    assert_same(undisturbed, out)


def test_it_is_seen_meanwhile_and_continued_after_a_kill_as_the_same_run(data, nursery, tmp_path, registry):
    out = tmp_path / "out"
    arguments = command(data, out, _ENDLESS, "--tracking-uri", registry)
    nursery.start(*arguments)

    def is_seen() -> bool:
        runs = _runs(registry)[1] if Path(registry.removeprefix("sqlite:///")).exists() else []
        return any("train/spectral_loss" in run.data.metrics for run in runs)

    nursery.wait_until(is_seen)
    assert _runs(registry)[1][0].info.status == "RUNNING"
    nursery.kill()
    step = last_step(out)
    pid = nursery.start(*arguments, MLFLOW_TRACKING_URI=registry)
    nursery.wait_until(lambda: last_step(out) >= step + 20)
    os.kill(pid, signal.SIGTERM)
    assert nursery.wait() == 75
    client, [run] = _runs(registry)
    assert run.info.status == "KILLED"
    history = client.get_metric_history(run.info.run_id, "train/spectral_loss")
    assert len({each.step for each in history}) == len(history)
    expected = {
        (each["step"], each["spectral_loss"]) for each in read_lines(out / "metrics.jsonl") if each["split"] == "train"
    }
    assert expected <= {(each.step, each.value) for each in history}


@pytest.mark.parametrize("uri", ["http://127.0.0.1:{port}", "nosuch://place"])
def test_a_registry_that_is_down_costs_one_warning(undisturbed, data, nursery, tmp_path, uri):
    start = time.monotonic()
    code, said = nursery.run(*command(data, tmp_path, BINDINGS, "--tracking-uri", uri.format(port=_free_port())))
    assert code == 0, said
    assert time.monotonic() - start < 60
    assert said.count("cannot send the curves to MLflow") == 1
    assert "Traceback" not in said
    assert_same(undisturbed, tmp_path)
