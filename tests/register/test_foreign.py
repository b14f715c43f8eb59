"""A registry that others write to as well: versions of the same name, edited tags, files that are gone, refusals."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, REQUEST_LIMIT_EXCEEDED

from components.core.errors import InputError, StepError
from components.plan.selection import select
from components.register.listing import listed_versions
from components.register.rollback import roll_back
from components.register.step import register
from components.registry.aliases import find_champion
from pipelines.challenge import score_champion
from tests.notes import make_note, write_sorted_set
from tests.register.trainings import write_training


@pytest.fixture
def client(registry):
    return MlflowClient(tracking_uri=registry, registry_uri=registry)


@pytest.fixture
def trained(tmp_path, registry):
    def register_one(run_id, loss, **options):
        return register([write_training(tmp_path / "runs" / run_id / "string-harmonic", loss, **options)], registry)

    return register_one


def test_a_version_of_others_and_an_edited_loss_are_no_obstacle(client, trained, registry):
    client.create_registered_model("ddsp-string", tags={"team": "piano"}, description="Theirs")
    client.create_model_version("ddsp-string", "s3://theirs/model", description="")
    assert trained("run-1", 5.0).champion.version == 2
    client.set_model_version_tag("ddsp-string", "2", "held_out_loss", "n/a")
    assert [(each.version, each.loss) for each in listed_versions(registry)] == [(2, None)]
    assert find_champion(registry, "string").version == 2
    assert trained("run-2", 4.0).champion.version == 3
    assert not client.get_model_version("ddsp-string", "1").description
    assert client.get_registered_model("ddsp-string").description == "Theirs"


@pytest.mark.parametrize(
    ("code", "error"), [(PERMISSION_DENIED, InputError), (REQUEST_LIMIT_EXCEEDED, StepError), (None, StepError)]
)
def test_what_mlflow_refuses_meanwhile_is_one_line(client, trained, registry, monkeypatch, code, error):
    trained("run-1", 5.0)
    trained("run-2", 4.0)

    def refused(*_, **__):
        raise MlflowException("not today", **({"error_code": code} if code else {}))

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", refused)
    for call in (lambda: trained("run-3", 3.0), lambda: roll_back("string", registry)):
        with pytest.raises(error, match=r"cannot use MLflow at 'sqlite:.*': not today"):
            call()


def test_a_champion_whose_files_are_gone_does_not_stop_the_registration(trained, tmp_path, registry, caplog):
    assert trained("run-1", 5.0).champion.version == 1
    shutil.rmtree(Path(registry.removeprefix("sqlite:///")).parent / "artifacts")
    newer = write_training(tmp_path / "runs/run-2/string-harmonic", 4.0, notes="notes-2")
    data = write_sorted_set(tmp_path / "sorted", {"train": [make_note()]})
    assert score_champion([newer], data, registry) is None
    assert "cannot score the champion of string, version 1" in caplog.text
    result = register([newer], registry)
    assert result.champion.version == 1
    assert result.statuses["harmonic"].startswith("challenger: the champion, version 1, has no score")


def test_a_model_that_was_deleted_with_its_version_is_registered_again(client, trained):
    """MLflow's page of a run keeps the run, so that the next registration finds it finished, without a model."""
    assert trained("run-1", 5.0).champion.version == 1
    run_id = client.get_model_version("ddsp-string", "1").run_id
    client.delete_model_version("ddsp-string", "1")
    client.delete_logged_model(client.get_run(run_id).outputs.model_outputs[0].model_id)
    assert [trained("run-1", 5.0).champion.version for _ in range(2)] == [2, 2]
    version = client.get_model_version("ddsp-string", "2")
    assert version.run_id == run_id
    assert (Path(version.source.removeprefix("file://")) / "MLmodel").is_file()
    client.delete_logged_model(client.get_run(run_id).outputs.model_outputs[-1].model_id)
    assert trained("run-1", 5.0).champion.version == 2, "the version is there, and so are its files"


@pytest.mark.parametrize(
    ("content", "said"), [(b"\xff\xfe", "is not UTF-8"), (b"a = [", "operative_config.gin' cannot")]
)
def test_a_damaged_configuration_is_named(tmp_path, registry, content, said):
    uri = write_training(tmp_path / "runs/run-1/string-harmonic", 5.0)
    Path(uri, "operative_config.gin").write_bytes(content)
    with pytest.raises(InputError, match=said):
        register([uri], registry)


def test_addresses_that_cannot_be_opened_are_no_sorted_sets(client, trained, tmp_path, registry):
    trained("run-1", 5.0, data_uri="s3://theirs/sorted")
    client.set_model_version_tag("ddsp-string", "1", "training_uri", "s3://theirs/training")
    data = write_sorted_set(tmp_path / "sorted", {"train": [make_note("string"), make_note("organ")]})
    assert select(data, ["organ"], ["harmonic"], "smoke", [], registry).others_uri == ""
    assert select(data, ["string"], ["harmonic"], "smoke", ["batch_size = 4"], registry).warm_starts == {}
