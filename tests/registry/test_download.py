"""Models downloaded by `models:/...` URIs."""

import shutil
from pathlib import Path

import pytest
from mlflow.entities import FileInfo

from components.core.errors import InputError, NoAnswerError
from components.register.step import register
from components.registry.download import downloaded
from tests.register.trainings import write_training


@pytest.fixture(scope="module")
def registry(tmp_path_factory, empty_registry):
    folder = tmp_path_factory.mktemp("registry")
    (folder / "mlflow").mkdir()
    shutil.copy(empty_registry, folder / "mlflow" / "mlflow.db")
    register([write_training(folder / "runs/run-1/string-harmonic", 5.0)], f"sqlite:///{folder}/mlflow/mlflow.db")
    return f"sqlite:///{folder}/mlflow/mlflow.db"


@pytest.mark.parametrize("uri", ["models:/ddsp-string@champion", "models:/ddsp-string/1"])
def test_a_registered_model_comes_as_a_folder(registry, uri):
    with downloaded(uri, registry) as found:
        assert {path.name for path in Path(found).iterdir()} == {"model.json", "weights.h5"}
    assert not Path(found).exists()


def test_another_uri_is_returned_as_it_is():
    with downloaded("gs://bucket/model") as found:
        assert found == "gs://bucket/model"


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("models:/ddsp-strng@champion", "no registered model 'ddsp-strng': did you mean 'ddsp-string'?"),
        ("models:/ddsp-string@best", "has the versions 1, aliases @champion"),
        ("models:/ddsp-string/7", "has the versions 1, aliases @champion"),
        ("models:/ddsp-string", "expected models:/NAME@ALIAS or models:/NAME/VERSION"),
    ],
)
def test_what_names_nothing_is_said_in_one_line(registry, uri, said):
    with pytest.raises(InputError, match=said), downloaded(uri, registry):
        pass


def test_a_registry_that_is_not_there_is_said(tmp_path):
    with (
        pytest.raises(InputError, match="there is no MLflow database"),
        downloaded("models:/a@b", f"sqlite:///{tmp_path}/x.db"),
    ):
        pass
    with pytest.raises(NoAnswerError, match="cannot reach MLflow"), downloaded("models:/a@b", "http://127.0.0.1:9"):
        pass


@pytest.mark.parametrize("path", ["..", "model/..", "a\\b", "x\n"])
def test_a_registry_that_names_files_outside_is_refused(registry, monkeypatch, path):
    import mlflow.artifacts

    monkeypatch.setattr(mlflow.artifacts, "list_artifacts", lambda **_: [FileInfo(path, False, 1)])
    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", lambda **_: pytest.fail("it was downloaded"))
    with (
        pytest.raises(InputError, match=r"the object name .* is refused"),
        downloaded("models:/ddsp-string/1", registry),
    ):
        pass


def test_a_file_that_is_too_large_is_not_downloaded(registry, monkeypatch):
    import mlflow.artifacts

    monkeypatch.setattr(mlflow.artifacts, "list_artifacts", lambda **_: [FileInfo("model.json", False, 1 << 40)])
    with pytest.raises(InputError, match="expected 1,048,576 at most"), downloaded("models:/ddsp-string/1", registry):
        pass
