"""What the MLflow run of a registered version keeps of its evaluation: the numbers of each note, the page to play."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from components.artifacts import evaluation
from components.artifacts.evaluation import Evaluation
from components.artifacts.training_dir import EVALUATION_NAME, PLAY_NAME
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


def play_page_of(client: MlflowClient, version: ModelVersion) -> bytes:
    """Returns a version's page to play; b"" where MLflow has none."""
    with scratch_directory() as scratch:
        try:
            path = client.download_artifacts(version.run_id, f"{FOLDER}/{PLAY_NAME}", str(scratch))
            return Path(path).read_bytes()
        except (MlflowException, OSError):
            return b""
