"""Trainings as MLflow runs and model versions. Each part looks first for what is done: what broke is completed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import mlflow.pyfunc
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, LoggedModelOutput, Metric, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.utils.validation import MAX_METRICS_PER_BATCH

from components.registry import runs
from components.registry.champions import model_name, versions_of
from components.registry.tags import ORIGIN_TAG
from components.registry.training import EVALUATION, RECORDS, Training

_T = TypeVar("_T")

# Text, not an import: the file's class needs TensorFlow only where the model is played.
_PYFUNC_FILE = Path(__file__).parents[1] / "synths" / "pyfunc_model.py"
_EXAMPLE_FRAMES = 250
_LONGEST_DIGEST = 36  # that MLflow takes
_ANY_LENGTH = (-1, -1)  # [batch, frames], and [batch, samples]
_SIGNATURE = ModelSignature(
    inputs=Schema([TensorSpec(np.dtype(np.float32), _ANY_LENGTH, name) for name in ("f0_hz", "loudness_db")]),
    outputs=Schema([TensorSpec(np.dtype(np.float32), _ANY_LENGTH)]),
    params=ParamSchema([ParamSpec("seed", "long", 0)]),
)
# One second of concert pitch, fading.
_EXAMPLE = {
    "f0_hz": np.full([1, _EXAMPLE_FRAMES], 440.0, np.float32),
    "loudness_db": np.linspace(-25.0, -50.0, _EXAMPLE_FRAMES, dtype=np.float32)[np.newaxis],
}


def add(client: MlflowClient, experiment_id: str, training: Training, lineage: Mapping[str, str]) -> ModelVersion:
    """Registers a training, or finds it registered; a newer evaluation of a registered training replaces the older.

    Args:
        client: MLflow.
        experiment_id: Where new runs go.
        training: What to register.
        lineage: More tags for the run and the version.

    Returns:
        The version of the family's registered model.
    """
    tags = {**training.tags(), **lineage}
    own = runs.own_run(client, training.record.mlflow_run_id)
    experiment_id = own.info.experiment_id if own else experiment_id
    run = _finished_run(client, experiment_id, training) or _log_run(client, experiment_id, training, tags, own)
    model_id = run.outputs.model_outputs[0].model_id
    if run.data.tags.get("evaluation_fingerprint") != training.evaluation_fingerprint():
        _log_evaluation(client, run.info.run_id, model_id, training)
    version = _version(client, training, run.info.run_id, model_id, tags)
    # What may be known better, or be another, when a known training is registered again.
    again = {name: value for name, value in lineage.items() if name == ORIGIN_TAG} | training.heard_tags()
    for name, value in again.items():
        if version.tags.get(name) != value:
            client.set_model_version_tag(version.name, version.version, name, value)
    return version


def _finished_run(client: MlflowClient, experiment_id: str, training: Training) -> Run | None:
    """Returns the run of this very model. Unfinished ones, left behind by a registration that broke, are deleted."""
    found = None
    for run in client.search_runs([experiment_id], f"tags.model_fingerprint = '{training.fingerprint}'"):
        if run.info.status == "FINISHED":
            found = client.get_run(run.info.run_id)
            continue
        for model in client.search_logged_models([experiment_id], f"source_run_id = '{run.info.run_id}'"):
            client.delete_logged_model(model.model_id)
        if run.info.run_id != training.record.mlflow_run_id:
            client.delete_run(run.info.run_id)
    return found


def _log_run(
    client: MlflowClient, experiment_id: str, training: Training, tags: Mapping[str, str], own: Run | None
) -> Run:
    """Completes the run that the training has logged to, or makes one."""
    run = own or client.create_run(experiment_id, training.started_ms, dict(tags), training.name)
    run_id = run.info.run_id
    if own:
        client.update_run(run_id, "RUNNING", training.name)
        runs.set_tags(client, run_id, tags)
    runs.log_parameters(client, run, training.parameters())
    if training.data_fingerprint:
        client.log_inputs(run_id, [DatasetInput(_dataset(training))])
    known = runs.known(client, run)
    runs.log_points(client, run_id, [point for point in training.curves() if point.key not in known])
    for name in RECORDS:
        _log_artifact(client, run_id, training.folder / name, "training")
    _log_model(client, experiment_id, run_id, training, tags)
    client.set_terminated(run_id, "FINISHED", training.finished_ms)
    return client.get_run(run_id)


def _dataset(training: Training) -> Dataset:
    """Returns what MLflow's page shows as the run's data set."""
    where = json.dumps({"uri": training.record.data_uri})
    return Dataset(training.family, training.data_fingerprint[:_LONGEST_DIGEST], source_type="local", source=where)


def _log_model(
    client: MlflowClient, experiment_id: str, run_id: str, training: Training, tags: Mapping[str, str]
) -> None:
    """Does what `mlflow.pyfunc.log_model` does, without its global state and without loading the model to try it."""
    name = f"{training.family}-{training.synth}"
    model = client.create_logged_model(experiment_id, name, run_id, dict(tags), model_type="ddsp")
    with TemporaryDirectory(prefix="luthier-") as scratch:
        folder = Path(scratch, "model")
        mlflow.pyfunc.save_model(
            folder,
            python_model=str(_PYFUNC_FILE),
            artifacts={"instrument": str(training.model)},
            signature=_SIGNATURE,
            input_example=_EXAMPLE,
            pip_requirements=training.requirements(),
            mlflow_model=Model(model.artifact_location, run_id, model_id=model.model_id),
        )
        client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=training.steps)])


def _log_evaluation(client: MlflowClient, run_id: str, model_id: str, training: Training) -> None:
    numbers = {"valid_loss": training.valid_loss, **training.evaluation()}
    now_ms = round(1000 * time.time())  # later than what an older evaluation said: the latest value is the one shown
    metrics = [
        Metric(name, value, now_ms, training.steps, model_id=model_id, run_id=run_id)
        for name, value in numbers.items()
        if value is not None
    ]
    for batch in _batches(metrics, MAX_METRICS_PER_BATCH):
        client.log_batch(run_id, metrics=batch)
    for name in EVALUATION:
        _log_artifact(client, run_id, training.folder / name, "evaluation")
    client.set_tag(run_id, "evaluation_fingerprint", training.evaluation_fingerprint())


def _version(
    client: MlflowClient, training: Training, run_id: str, model_id: str, tags: Mapping[str, str]
) -> ModelVersion:
    name = model_name(training.family)
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    for version in versions_of(client, training.family):
        if version.run_id == run_id:
            return version
    source = client.get_logged_model(model_id).artifact_location
    return client.create_model_version(name, source, run_id, dict(tags), model_id=model_id)


def _log_artifact(client: MlflowClient, run_id: str, path: Path, folder: str) -> None:
    if path.exists():
        client.log_artifact(run_id, str(path), folder)


def _batches(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
