"""MLflow logger: sends the metrics of a training to MLflow while it runs, without ever delaying or failing it.

A thread sends what metrics.jsonl has and MLflow has not, every few seconds. The file keeps everything: what could not
be sent, by this process or an earlier one, is sent later, or when the model is registered.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.artifacts.metrics_log import METRICS_NAME, read_lines
from components.config.gin_text import parameters as gin_parameters
from components.core import environment
from components.registry.mlflow_values import EXPERIMENT, Key, milliseconds, points, run_name
from components.telemetry import log
from components.train.start import TrainingPlan

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LOG = log.get(__name__)
_EVERY_S = 5.0
_RETRY_AFTER_S = 30.0
_CLOSE_LIMIT_S = 30.0
_KILLED_CLOSE_LIMIT_S = 5.0  # after SIGTERM, Kubernetes kills the process soon
_PARENT_TAG = "mlflow.parentRunId"
_SETTINGS = ("family", "synth", "preset", "bindings", "data_uri", "data_fingerprint", "training_version")


class MlflowLogger:
    """Sends a training's metrics to one MLflow run. run.json holds its id, so that a resumed training continues it."""

    def __init__(self, plan: TrainingPlan, config: str, local_dir: Path, tracking_uri: str) -> None:
        """Sends nothing before `start`.

        Args:
            plan: The training.
            config: Its operative gin configuration.
            local_dir: The local training directory, for its metrics.jsonl.
            tracking_uri: MLflow's tracking URI; "" to do nothing.
        """
        self._plan, self._config, self._path, self._uri = plan, config, local_dir / METRICS_NAME, tracking_uri
        self._client: MlflowClient | None = None
        self._known: set[Key] = set()
        self._size, self._run_id = -1, ""
        self._warned, self._retry_at, self._status = False, 0.0, ""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mlflow", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        if self._uri:
            # MLflow's own retries take minutes.
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
            self._thread.start()

    def close(self, status: str) -> None:
        """Sends the rest, if that takes no more than some seconds, and ends the run.

        Args:
            status: How the training ended: "FINISHED", "FAILED" or "KILLED".
        """
        if self._thread.is_alive():
            self._status = status
            self._closing.set()
            self._thread.join(_KILLED_CLOSE_LIMIT_S if status == "KILLED" else _CLOSE_LIMIT_S)
            if self._thread.is_alive():
                self._warn("no answer in time")

    def _run(self) -> None:
        closing = False
        while not closing:
            closing = self._closing.wait(_EVERY_S)
            if not closing and time.monotonic() < self._retry_at:
                continue
            try:
                self._send(closing)
            except Exception as error:  # from MLflow, SQL or the network: no reason to fail a training
                self._warn(" ".join(f"{type(error).__name__}: {error}".split())[:300])
                self._client, self._retry_at = None, time.monotonic() + _RETRY_AFTER_S

    def _warn(self, reason: str) -> None:
        if not self._warned:
            _LOG.warning(
                "cannot send the metrics to MLflow at '%s' (%s): the training continues without", self._uri, reason
            )
        self._warned = True

    def _send(self, closing: bool) -> None:
        from components.registry import runs

        client = self._client or self._connect()
        size = self._path.stat().st_size
        if size != self._size or closing:
            started_ms = milliseconds(self._plan.record.started) or 0
            new = [point for point in points(read_lines(self._path), started_ms) if point.key not in self._known]
            runs.log_points(client, self._run_id, new)
            self._known.update(point.key for point in new)
            self._size = size
        if self._warned:
            _LOG.info("MLflow has all metrics again")
            self._warned = False
        if closing:
            client.set_terminated(self._run_id, self._status)

    def _connect(self) -> MlflowClient:
        """Opens MLflow, and the run of an earlier process or a new one."""
        from components.registry import runs
        from components.registry.client import open_client, open_for_writing

        experiment_id = environment.get(environment.MLFLOW_EXPERIMENT_ID)
        if experiment_id:
            client = open_client(self._uri)
        else:
            name = environment.get(environment.MLFLOW_EXPERIMENT_NAME, EXPERIMENT)
            with open_for_writing(self._uri, name) as (client, experiment_id):
                pass
        run = runs.own_run(client, self._plan.record.mlflow_run_id)
        if run is None:
            run = client.create_run(experiment_id, milliseconds(self._plan.record.started), self._tags(), self._name())
            self._plan.writer.update(mlflow_run_id=run.info.run_id)
        else:
            client.update_run(run.info.run_id, "RUNNING")
        runs.log_parameters(client, run, self._parameters())
        self._client, self._run_id, self._known = client, run.info.run_id, runs.known_points(client, run)
        return client

    def _name(self) -> str:
        """Returns the name that the registration uses as well."""
        return run_name(self._plan.training_dir.run_id, self._plan.name)

    def _tags(self) -> dict[str, str]:
        tags = {name: str(getattr(self._plan.record, name)) for name in ("family", "synth", "preset")}
        parent = environment.get(environment.MLFLOW_RUN_ID)  # of the pipeline's run: Kubeflow Pipelines sets it
        return tags | ({_PARENT_TAG: parent} if parent else {})

    def _parameters(self) -> dict[str, str]:
        written = self._plan.record.as_dict()
        settings: dict[str, Any] = {name: written[name] for name in _SETTINGS}
        as_text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
        return as_text | gin_parameters(self._config)
