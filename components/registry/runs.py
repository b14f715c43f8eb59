"""MLflow runs of trainings: finds the run of a training, and logs what it does not have yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import MAX_METRICS_PER_BATCH, MAX_PARAMS_TAGS_PER_BATCH

from components.registry.mlflow_values import Key, Point, is_curve


def own_run(client: MlflowClient, run_id: str) -> Run | None:
    """Returns the MLflow run that a training has logged to, by its id; None where this MLflow has none."""
    if not run_id:
        return None
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return run if run.info.lifecycle_stage == "active" else None


def known_points(client: MlflowClient, run: Run) -> set[Key]:
    """Returns the keys of the points that a run has already."""
    names = [name for name in run.data.metrics if is_curve(name)]
    return {
        (name, each.step, each.value) for name in names for each in client.get_metric_history(run.info.run_id, name)
    }


def log_points(client: MlflowClient, run_id: str, new_points: Sequence[Point]) -> None:
    """Logs points, in batches that MLflow takes."""
    metrics = [Metric(point.name, point.value, point.time_ms, point.step) for point in new_points]
    for start in range(0, len(metrics), MAX_METRICS_PER_BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + MAX_METRICS_PER_BATCH])


def log_parameters(client: MlflowClient, run: Run, parameters: Mapping[str, str]) -> None:
    """Logs the parameters that a run does not have yet; MLflow does not allow to change one."""
    params = [Param(*item) for item in parameters.items() if item[0] not in run.data.params]
    for start in range(0, len(params), MAX_PARAMS_TAGS_PER_BATCH):
        client.log_batch(run.info.run_id, params=params[start : start + MAX_PARAMS_TAGS_PER_BATCH])


def set_tags(client: MlflowClient, run_id: str, tags: Mapping[str, str]) -> None:
    """Sets the tags of a run."""
    client.log_batch(run_id, tags=[RunTag(*item) for item in tags.items()])
