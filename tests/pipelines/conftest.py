"""What the tests of the pipeline share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines.in_process import Pipeline, compile_for_local_runs
from tests.pipelines.kfp_api import KfpApi, serving

SUBMIT = ("submit", "-p", "workspace=gs://b/w")
IMAGES = {f"LUTHIER_{name.upper()}_IMAGE": f"registry.example/luthier-{name}:0.1.0" for name in ("data", "train")}


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that a cluster can pull."""
    import pipelines.train_instruments  # noqa: F401 - the package keeps the images of this import: not these

    for name, image in IMAGES.items():
        monkeypatch.setenv(name, image)


@pytest.fixture
def kfp_api(monkeypatch: pytest.MonkeyPatch, images: None) -> Iterator[KfpApi]:
    """A stand-in for Kubeflow Pipelines, at which KFP_HOST points, and which is asked often."""
    monkeypatch.setattr("pipelines.submit.follow.POLL_S", 0.01)
    with serving(KfpApi()) as api:
        monkeypatch.setenv("KFP_HOST", api.host)
        yield api


@pytest.fixture(scope="session")
def local_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipeline, compiled as `luthier run` does."""
    return compile_for_local_runs(tmp_path_factory.mktemp("package"))


@pytest.fixture
def pipeline(local_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """The pipeline on a workspace of the test's own, with its tasks in this process."""
    return Pipeline(local_package, tmp_path, monkeypatch)
