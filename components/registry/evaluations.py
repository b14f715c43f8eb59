"""The evaluation of a registered version, note by note: the copy of evaluation.json that its MLflow run keeps."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from components.artifacts import evaluation
from components.artifacts.evaluation import Evaluation
from components.artifacts.training_dir import EVALUATION_NAME
from components.core.errors import InputError
from components.core.scratch import scratch_directory
from components.core.versions import EVALUATION_VERSION

FOLDER = "evaluation"
"""Of the run's artifacts."""


def evaluation_of(client: MlflowClient, version: ModelVersion) -> Evaluation | None:
    """Returns a version's evaluation.

    Returns:
        None where MLflow has none, or one by another EVALUATION_VERSION, whose numbers are not comparable.
    """
    with scratch_directory() as scratch:
        try:
            path = client.download_artifacts(version.run_id, f"{FOLDER}/{EVALUATION_NAME}", str(scratch))
            found = evaluation.read(str(Path(path).parent))
        except (MlflowException, OSError, InputError):
            return None
    return found if found and found.evaluation_version == EVALUATION_VERSION else None
