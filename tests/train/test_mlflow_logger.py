"""Metrics in MLflow while they grow: nothing twice, nothing lost, and an MLflow that is down costs nothing."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from components.artifacts.metrics_log import MetricsLog, read_lines
from components.artifacts.run_record import RunRecord, RunRecordWriter
from components.artifacts.training_dir import TrainingDir
from components.nsynth.sorted_set import SortedSet
from components.train import mlflow_logger
from components.train.mlflow_logger import MlflowLogger
from components.train.start import TrainingPlan
from tests.ports import free_port
from tests.train.trainings import BINDINGS, command, run_json

_ENDLESS = [*BINDINGS, "train.max_steps = 100000", "train.checkpoint_every_s = 1"]
_CONFIG = "train.batch_size = 2\ntrain.learning_rate = 0.007\n"


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """On a busy machine, the first connection takes longer than a training waits at its end."""
    monkeypatch.setattr(mlflow_logger, "_CLOSE_LIMIT_S", 300.0)
    monkeypatch.setattr(mlflow_logger, "_KILLED_CLOSE_LIMIT_S", 300.0)


def _runs(uri: str):
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("luthier")
    return client, client.search_runs([experiment.experiment_id]) if experiment else []


def _any_run(uri: str, condition: Callable[[Run], bool]) -> bool:
    """Returns whether a run meets a condition, after a pause: the training needs the processor as well."""
    time.sleep(0.3)
    return any(map(condition, _runs(uri)[1]))


def assert_has_all(client: MlflowClient, run_id: str, out: Path) -> None:
    """Asserts that the run has the points of metrics.jsonl, each once."""
    for split in ("train", "valid"):
        lines = [line for line in read_lines(out / "metrics.jsonl") if line["split"] == split]
        points = client.get_metric_history(run_id, f"{split}/spectral_loss")
        assert sorted((each.step, each.value) for each in points) == [
            (each["step"], each["spectral_loss"]) for each in lines
        ]


def _plan(data: str, out: Path) -> TrainingPlan:
    """Returns the plan of a training that starts, or resumes, in a directory."""
    out.mkdir(parents=True, exist_ok=True)
    record = RunRecord.begin(SortedSet.open(data), "string", "harmonic", "smoke", BINDINGS)
    record = TrainingDir(str(out)).read_record() or record
    writer = RunRecordWriter(str(out / "run.json"), record)
    writer.update()
    return TrainingPlan(writer, None, TrainingDir(str(out)))


def _log(data: str, out: Path, uri: str, steps: range, status: str) -> None:
    """Logs some steps as a training of that many does."""
    logger = MlflowLogger(_plan(data, out), _CONFIG, out, uri)
    log = MetricsLog(out, steps.start - 1, steps.start - 1)
    logger.start()
    for step in steps:
        log.add(step, "train", 20.0 - step, learning_rate=0.01, steps_per_s=3.0)
        log.add(step, "valid", 21.0 - step)
    logger.close(status)


def test_a_training_is_a_run_with_parameters_and_metrics(data, tmp_path, registry, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "pipelines-run")
    out = tmp_path / "run-7" / "string-harmonic"
    _log(data, out, registry, range(3), "FINISHED")
    client, [run] = _runs(registry)
    assert run.info.run_id == run_json(out)["mlflow_run_id"]
    assert (run.info.run_name, run.info.status) == ("string-harmonic run-7", "FINISHED")
    assert run.data.tags["mlflow.parentRunId"] == "pipelines-run"
    assert run.data.params["train.batch_size"] == "2"
    assert run.data.params["synth"] == "harmonic"
    assert run.data.params["training_version"] == str(run_json(out)["training_version"])
    assert {"train/learning_rate", "train/steps_per_s", "valid/spectral_loss"} <= set(run.data.metrics)
    assert_has_all(client, run.info.run_id, out)


@pytest.mark.parametrize("status", ["KILLED", "FAILED", "RUNNING"])
def test_the_next_process_continues_the_same_run(data, tmp_path, registry, status):
    """RUNNING: the process was killed, so that it could not set any other one."""
    _log(data, tmp_path, registry, range(3), status)
    client, [run] = _runs(registry)
    assert run.info.status == status
    with (tmp_path / "metrics.jsonl").open("a") as log:  # what it had not sent yet
        log.write('{"step": 2, "split": "train", "spectral_loss": 18.5, "seconds": 1.0}\n{"step": 3, "spl')
    _log(data, tmp_path, registry, range(3, 6), "FINISHED")
    client, [run] = _runs(registry)
    assert run.info.status == "FINISHED"
    assert len(read_lines(tmp_path / "metrics.jsonl")) == 13
    assert_has_all(client, run.info.run_id, tmp_path)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:{port}", "nosuch://place"])
def test_an_mlflow_that_is_down_costs_one_warning(data, tmp_path, caplog, uri):
    start = time.monotonic()
    _log(data, tmp_path, uri.format(port=free_port()), range(3), "FINISHED")
    assert time.monotonic() - start < 120  # MLflow's own retries take longer
    assert caplog.text.count("cannot send the metrics to MLflow") == 1
    assert "mlflow_run_id" not in run_json(tmp_path)


def _metrics(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = [line for line in answer.read().decode().splitlines() if line.startswith("luthier_train_")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_a_training_is_seen_while_it_runs(data, nursery, tmp_path, registry):
    """In MLflow, and by Prometheus."""
    port = free_port()
    pid = nursery.start(
        *command(data, tmp_path / "out", _ENDLESS, "--tracking-uri", registry),
        before="patient_mlflow",
        LUTHIER_METRICS_PORT=str(port),
    )
    nursery.wait_until(lambda: _any_run(registry, lambda run: "train/spectral_loss" in run.data.metrics))
    assert _runs(registry)[1][0].info.status == "RUNNING"
    found, labels = _metrics(port), 'family="string",synth="harmonic"'
    os.kill(pid, signal.SIGTERM)
    assert nursery.wait() == 75
    assert _runs(registry)[1][0].info.status == "KILLED"
    steps = found[f"luthier_train_step{{{labels}}}"]
    assert steps >= 1
    assert found[f"luthier_train_traces{{{labels}}}"] == 1
    assert found['luthier_train_loss{family="string",split="valid",synth="harmonic"}'] > 0
    assert found[f"luthier_train_step_seconds_count{{{labels}}}"] == pytest.approx(steps, abs=10)
