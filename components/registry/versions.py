"""Records trained models as MLflow runs and model versions.

Every part looks first for what is recorded already: an interrupted registration is completed.
"""

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
from components.registry.aliases import model_name, versions_of
from components.registry.tags import SOURCE_TAG
from components.registry.trained_model import EVALUATION_FILES, TRAINING_FILES, TrainedModel

_T = TypeVar("_T")

# A path, not an import: the module needs TensorFlow, but only where the model is loaded.
_PYFUNC_FILE = Path(__file__).parents[1] / "synths" / "pyfunc_model.py"
_EXAMPLE_FRAMES = 250
_MAX_DIGEST = 36  # characters, in MLflow
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


def ensure_version(
    client: MlflowClient, experiment_id: str, training: TrainedModel, lineage: Mapping[str, str]
) -> ModelVersion:
    """Returns the version of a trained model, created if it does not exist; a newer evaluation replaces an older.

    Args:
        client: MLflow.
        experiment_id: The experiment for a new run.
        training: The trained model.
        lineage: Further tags for the run and the version.

    Returns:
        The version of the family's registered model.
    """
    tags = {**training.tags(), **lineage}
    own = runs.own_run(client, training.record.mlflow_run_id)
    experiment_id = own.info.experiment_id if own else experiment_id
    run = _finished_run(client, experiment_id, training) or _log_run(client, experiment_id, training, lineage, own)
    model_id = _model_id(client, run)
    if not model_id and not _version_of_run(client, training, run.info.run_id):
        # Somebody has deleted version and model there, and left the run.
        run = _log_run(client, experiment_id, training, lineage, run)
        model_id = _model_id(client, run)
    if run.data.tags.get("evaluation_fingerprint") != training.evaluation_fingerprint():
        _log_evaluation(client, run.info.run_id, model_id, training)
    version = _version(client, training, run.info.run_id, model_id, tags)
    # What may have changed, or become known, since the version was created.
    newer = {name: value for name, value in lineage.items() if name == SOURCE_TAG} | training.score_tags()
    for name, value in newer.items():
        if version.tags.get(name) != value:
            client.set_model_version_tag(version.name, version.version, name, value)
    return version


def _finished_run(client: MlflowClient, experiment_id: str, training: TrainedModel) -> Run | None:
    """Returns the finished run of this model; deletes unfinished ones, which an interrupted registration has left."""
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


def _model_id(client: MlflowClient, run: Run) -> str:
    """Returns the id of a run's logged model, the newest that was not deleted; "" where there is none."""
    outputs = run.outputs.model_outputs if run.outputs else []
    found = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    there = {model.model_id for model in found}
    return next((output.model_id for output in reversed(outputs) if output.model_id in there), "")


def _log_run(
    client: MlflowClient, experiment_id: str, training: TrainedModel, lineage: Mapping[str, str], own: Run | None
) -> Run:
    """Completes the run that the training has logged to, or creates one."""
    tags = training.run_tags(lineage)
    run = own or client.create_run(experiment_id, training.started_ms, dict(tags), training.name)
    run_id = run.info.run_id
    if own:
        client.update_run(run_id, "RUNNING", training.name)
        runs.set_tags(client, run_id, tags)
    runs.log_parameters(client, run, training.parameters())
    if training.record.data_fingerprint:
        client.log_inputs(run_id, [DatasetInput(_dataset(training))])
    known = runs.known_points(client, run)
    runs.log_points(client, run_id, [point for point in training.curves() if point.key not in known])
    for name in TRAINING_FILES:
        _log_artifact(client, run_id, training.directory / name, "training")
    _log_model(client, experiment_id, run_id, training, {**training.tags(), **lineage})
    client.set_terminated(run_id, "FINISHED", training.finished_ms)
    return client.get_run(run_id)


def _dataset(training: TrainedModel) -> Dataset:
    """Returns what MLflow's page shows as the run's data set."""
    source = json.dumps({"uri": training.record.data_uri})
    digest = training.record.data_fingerprint[:_MAX_DIGEST]
    return Dataset(training.family, digest, source_type="local", source=source)


def _log_model(
    client: MlflowClient, experiment_id: str, run_id: str, training: TrainedModel, tags: Mapping[str, str]
) -> None:
    """Does what `mlflow.pyfunc.log_model` does, without its global state and without loading the model as a check."""
    model = client.create_logged_model(experiment_id, training.training_name, run_id, dict(tags), model_type="ddsp")
    with TemporaryDirectory(prefix="luthier-") as scratch:
        directory = Path(scratch, "model")
        mlflow.pyfunc.save_model(
            directory,
            python_model=str(_PYFUNC_FILE),
            # A URI, because MLflow takes a path for one, where '?', '#' and '%20' in names mean something else.
            artifacts={"instrument": training.model_path.absolute().as_uri()},
            signature=_SIGNATURE,
            input_example=_EXAMPLE,
            pip_requirements=training.requirements(),
            mlflow_model=Model(model.artifact_location, run_id, model_id=model.model_id),
        )
        client.log_model_artifacts(model.model_id, str(directory))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=training.card.steps)])


def _log_evaluation(client: MlflowClient, run_id: str, model_id: str, training: TrainedModel) -> None:
    now_ms = round(1000 * time.time())  # MLflow shows the latest value: later than those of an older evaluation
    metrics = [
        Metric(name, value, now_ms, training.card.steps, model_id=model_id or None, run_id=run_id)
        for name, value in training.metrics().items()
    ]
    for batch in _batches(metrics, MAX_METRICS_PER_BATCH):
        client.log_batch(run_id, metrics=batch)
    for name in EVALUATION_FILES:
        _log_artifact(client, run_id, training.directory / name, "evaluation")
    client.set_tag(run_id, "evaluation_fingerprint", training.evaluation_fingerprint())


def _version(
    client: MlflowClient, training: TrainedModel, run_id: str, model_id: str, tags: Mapping[str, str]
) -> ModelVersion:
    name = model_name(training.family)
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    if found := _version_of_run(client, training, run_id):
        return found
    source = client.get_logged_model(model_id).artifact_location
    return client.create_model_version(name, source, run_id, dict(tags), model_id=model_id)


def _version_of_run(client: MlflowClient, training: TrainedModel, run_id: str) -> ModelVersion | None:
    return next((version for version in versions_of(client, training.family) if version.run_id == run_id), None)


def _log_artifact(client: MlflowClient, run_id: str, path: Path, artifact_path: str) -> None:
    if path.exists():
        client.log_artifact(run_id, str(path), artifact_path)


def _batches(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
