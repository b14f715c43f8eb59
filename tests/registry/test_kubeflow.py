"""Versions in a Kubeflow Model Registry: what it is told, and that nothing it does fails a registration."""

from contextlib import ExitStack

import pytest
from urllib3.util import Retry

from components.register.step import register
from components.registry import kubeflow as module
from components.registry.kubeflow import record
from components.registry.trained_model import open_trained_model
from tests.register.trainings import write_training
from tests.registry.kubeflow_server import ModelRegistry, serving

LINEAGE = {"pipeline_run": "train-instruments-x7k2p", "pipeline_run_id": "0b1c", "source_fingerprint": "source-1"}
NAME = "ddsp-string"


@pytest.fixture(params=["/api/model_registry/v1", "/api/model_registry/v1alpha3"])
def path(request):
    return request.param


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(
        module, "RETRIES", Retry(total=2, backoff_factor=0, status_forcelist=(503,), allowed_methods=None)
    )
    monkeypatch.setenv("LUTHIER_NAMESPACE", "music")
    with serving(ModelRegistry()) as running:
        monkeypatch.setenv("LUTHIER_MODEL_REGISTRY", running.address)
        yield running


@pytest.fixture
def trainings(tmp_path):
    folder = tmp_path / "runs" / "run-1"
    uris = [
        write_training(folder / f"string-{synth}", loss) for synth, loss in (("harmonic", 5.0), ("wavetable", None))
    ]
    with ExitStack() as stack:
        yield [stack.enter_context(open_trained_model(uri)) for uri in uris]


VERSIONS = {"harmonic": 3, "wavetable": 4}


def test_each_version_is_there_with_its_place_numbers_and_lineage(server, path, trainings):
    server.path = path
    assert record(NAME, trainings, VERSIONS, LINEAGE) == {}

    (model,) = server.kinds["registered_models"]
    assert model["name"] == NAME
    harmonic, wavetable = server.kinds["model_versions"]
    assert (harmonic["name"], wavetable["name"]) == ("3", "4")
    assert harmonic["registeredModelId"] == wavetable["registeredModelId"] == model["id"]
    properties = harmonic["customProperties"]
    assert properties["valid_loss"] == {"metadataType": "MetadataDoubleValue", "double_value": 5.0}
    assert properties["evaluation/f0_cents/mean"]["double_value"] == 8.5
    assert properties["synth"] == {"metadataType": "MetadataStringValue", "string_value": "harmonic"}
    assert properties["data_fingerprint"]["string_value"] == "data-1"
    assert properties["source_fingerprint"]["string_value"] == "source-1"
    assert "valid_loss" not in wavetable["customProperties"]
    artifact = server.kinds["artifacts"][0]
    assert artifact["parent"] == harmonic["id"]
    assert artifact["uri"] == trainings[0].model_path.as_uri()
    assert (artifact["modelFormatName"], artifact["modelFormatVersion"]) == ("luthier", "1")
    source = [artifact[f"modelSource{part}"] for part in ("Kind", "Class", "Group", "Id", "Name")]
    assert source == ["kfp", "pipelinerun", "music", "0b1c", "train-instruments-x7k2p"]


def test_recording_again_adds_nothing(server, trainings):
    record(NAME, trainings, VERSIONS, LINEAGE)
    before = list(server.posts)
    assert record(NAME, trainings, VERSIONS, LINEAGE) == {}
    assert server.posts == before == ["registered_models", *2 * ["model_versions", "artifacts"]]


@pytest.mark.parametrize("broken", ["registered_models", "model_versions", "artifacts"])
def test_what_broke_is_told_and_completed(server, trainings, broken):
    server.fail_on = broken
    failures = record(NAME, trainings, VERSIONS, LINEAGE)
    assert set(failures) == {"harmonic", "wavetable"}
    assert "the database is away" in failures["harmonic"] and "\n" not in failures["harmonic"]
    server.fail_on = ""
    assert record(NAME, trainings, VERSIONS, LINEAGE) == {}
    assert [len(each) for each in server.kinds.values()] == [1, 2, 2]


def test_another_that_was_faster_is_no_failure(server, trainings):
    server.lose_race = True
    assert record(NAME, trainings, VERSIONS, LINEAGE) == {}
    assert len(server.kinds["registered_models"]) == 1


def test_another_model_under_the_same_version_is_told(server, trainings):
    record(NAME, trainings[:1], VERSIONS, LINEAGE)
    failures = record(NAME, trainings[1:], {"wavetable": 3}, LINEAGE)
    assert "version 3 of ddsp-string is another model in it" in failures["wavetable"]
    assert len(server.kinds["artifacts"]) == 1


def test_a_moment_without_answers_is_waited_out(server, trainings):
    server.outages = 2
    assert record(NAME, trainings, VERSIONS, LINEAGE) == {}


def test_a_token_is_sent_where_there_is_one(server, trainings, tmp_path, monkeypatch):
    server.token = "secret"
    assert "401" in record(NAME, trainings, VERSIONS, LINEAGE)["harmonic"]
    (tmp_path / "token").write_text("secret\n")
    monkeypatch.setenv("LUTHIER_MODEL_REGISTRY_TOKEN_FILE", str(tmp_path / "token"))
    assert record(NAME, trainings, VERSIONS, LINEAGE) == {}


def test_a_model_in_a_bucket_is_recorded_with_its_uri_there(gcs, server, tmp_path):
    from components import storage

    local = write_training(tmp_path / "runs" / "run-1" / "string-harmonic", 5.0)
    uri = f"{gcs.bucket()}/runs/run-1/string-harmonic"
    storage.upload_tree(local, uri)
    with open_trained_model(uri) as training:
        assert record(NAME, [training], {"harmonic": 1}, {}) == {}
    (artifact,) = server.kinds["artifacts"]
    assert artifact["uri"] == f"{uri}/model"
    assert "modelSourceKind" not in artifact  # nobody said of what run


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "{server}/elsewhere"])
def test_no_registry_at_the_url_never_fails_a_registration(server, tmp_path, registry, monkeypatch, caplog, url):
    monkeypatch.setenv("LUTHIER_MODEL_REGISTRY", url.format(server=server.address))
    uri = write_training(tmp_path / "runs" / "run-1" / "string-harmonic", 5.0)
    result = register([uri], registry, lineage=LINEAGE)
    assert result.versions == {"harmonic": 1}
    assert sum("cannot record harmonic in the Model Registry" in text for text in caplog.messages) == 1
    assert server.posts == []


def test_a_registration_is_recorded_with_the_versions_of_mlflow(server, tmp_path, registry):
    folder = tmp_path / "runs" / "run-1"
    uris = [write_training(folder / f"string-{synth}", 5.0) for synth in ("harmonic", "wavetable")]
    register(uris, registry, lineage=LINEAGE)
    assert [version["name"] for version in server.kinds["model_versions"]] == ["1", "2"]
    assert len(server.kinds["artifacts"]) == 2


def test_without_a_url_nobody_is_told(server, trainings, monkeypatch):
    monkeypatch.delenv("LUTHIER_MODEL_REGISTRY")
    assert record(NAME, trainings, VERSIONS, LINEAGE) == {}
    assert server.posts == []
