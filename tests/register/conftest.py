"""A registry of one's own, without waiting for MLflow's sixty migrations in every test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.registry.client import connected


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty-registry")
    with connected(f"sqlite:///{folder}/mlflow.db", "unused"):
        pass
    return folder / "mlflow.db"


@pytest.fixture
def registry(empty_registry: Path, tmp_path: Path) -> str:
    """The tracking URI of an empty registry."""
    (tmp_path / "mlflow").mkdir()
    shutil.copy(empty_registry, tmp_path / "mlflow" / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow/mlflow.db"
