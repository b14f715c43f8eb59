"""The registry of a workspace whose path has characters that mean something in a URI."""

from __future__ import annotations

import shutil
from pathlib import Path

import mlflow.artifacts
import pytest

from components.registry.client import open_client, open_client_if_exists, open_for_writing
from components.registry.sqlite_uri import sqlite_path, sqlite_uri

NAMES = ("what?", "my%20ws", "q?mode=ro", "100%", "x#1;&=", "new\nline $HOME 'quote'")


@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_found_again_written_and_quoted(tmp_path, name):
    path = tmp_path / name / "mlflow.db"
    assert sqlite_path(f"sqlite:///{path}") == path
    path.parent.mkdir()
    path.touch()
    assert sqlite_path(f"sqlite:///{path}") == sqlite_path(sqlite_uri(path)) == path
    assert sqlite_uri(tmp_path / "plain.db") == f"sqlite:///{tmp_path}/plain.db"


def test_an_experiment_and_its_files_stay_in_such_a_workspace(tmp_path, empty_registry):
    folder = tmp_path / "50%41 what?" / "mlflow"
    folder.mkdir(parents=True)
    shutil.copy(empty_registry, folder / "mlflow.db")
    uri = f"sqlite:///{folder}/mlflow.db"
    (tmp_path / "file.txt").write_text("content")
    with open_for_writing(uri, "luthier") as (client, experiment):
        run = client.create_run(experiment)
        client.log_artifact(run.info.run_id, str(tmp_path / "file.txt"))
    found = open_client(uri).get_run(run.info.run_id)
    fetched = mlflow.artifacts.download_artifacts(f"{found.info.artifact_uri}/file.txt", dst_path=str(tmp_path / "to"))
    assert Path(fetched).read_text() == "content"
    assert open_client_if_exists(f"sqlite:///{tmp_path}/50%41 what?/other.db") is None
    assert sorted(each.name for each in tmp_path.iterdir()) == ["50%41 what?", "file.txt", "to"]
