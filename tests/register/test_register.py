import base64
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import urllib.request
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components import storage
from components.core.errors import InputError
from components.core.versions import TRAINING_VERSION
from components.register.step import register
from components.registry import runs
from components.registry.aliases import find_champion
from components.registry.client import check_usable, open_for_writing
from components.registry.trained_model import open_trained_model
from tests.ports import free_port
from tests.register.trainings import write_evaluation, write_training
from tests.waiting import wait_until

SYNTHS = {"harmonic": 5.0, "sinusoidal": 6.0, "wavetable": 4.5}


@pytest.fixture
def fresh_workspace(tmp_path):
    return tmp_path / "my workspace"  # a blank in a path is nothing special


@pytest.fixture
def workspace(fresh_workspace, empty_registry):
    """One whose database is made already."""
    (fresh_workspace / "mlflow").mkdir(parents=True)
    shutil.copy(empty_registry, fresh_workspace / "mlflow" / "mlflow.db")
    return fresh_workspace


def uri_of(workspace):
    return f"sqlite:///{workspace}/mlflow/mlflow.db"


def trainings(workspace, run_id="run-1", family="string", losses=SYNTHS, **options):
    folder = workspace / "what? my%20runs #1" / run_id  # MLflow takes a path for a URI where it can
    return [write_training(folder / f"{family}-{synth}", loss, **options) for synth, loss in losses.items()]


def client_of(workspace):
    return MlflowClient(tracking_uri=uri_of(workspace), registry_uri=uri_of(workspace))


def state(workspace):
    """What a person sees in MLflow: the runs and the versions, and who is champion."""
    client = client_of(workspace)
    runs = client.search_runs([client.get_experiment_by_name("luthier").experiment_id])
    versions = client.search_model_versions("name = 'ddsp-string'")
    champion_version = int(client.get_model_version_by_alias("ddsp-string", "champion").version)
    return sorted((run.info.run_name, run.info.status) for run in runs), len(versions), champion_version


def test_a_family_is_registered_with_parameters_curves_numbers_report_and_lineage(workspace):
    uris = trainings(workspace, logged_every=1)  # 2400 points each: more than MLflow takes at once
    result = register(uris, uri_of(workspace), lineage={"pipeline_run": "kfp-7"})

    assert result.versions == {"harmonic": 1, "sinusoidal": 2, "wavetable": 3}
    assert result.champion_uri == "models:/ddsp-string@champion"
    assert (result.champion.synth, result.champion.version, result.champion.loss) == ("wavetable", 3, 4.5)
    assert result.text() == "ddsp-string: harmonic v1, sinusoidal v2, wavetable v3; champion wavetable v3, loss 4.50"
    assert find_champion(uri_of(workspace), "string") == result.champion
    with pytest.raises(InputError, match="there is no champion of 'flute'"):
        find_champion(uri_of(workspace), "flute")

    client = client_of(workspace)
    version = client.get_model_version_by_alias("ddsp-string", "champion")
    run = client.get_run(version.run_id)
    assert run.info.run_name == "string-wavetable run-1" and run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time == 60_000
    lineage = {
        **{"family": "string", "synth": "wavetable", "preset": "smoke", "run_id": "run-1", "valid_loss": "4.5"},
        **{
            "data_fingerprint": "data-1",
            "training_version": str(TRAINING_VERSION),
            "git_commit": "abc",
            "pipeline_run": "kfp-7",
        },
    }
    assert lineage.items() <= version.tags.items()
    assert "image" not in version.tags  # not known: no tag
    # What a reader filters runs by, and what finds them again.
    own = {name for name in run.data.tags if not name.startswith("mlflow.")}
    assert own == {"family", "synth", "preset", "run_id", "pipeline_run", "model_fingerprint", "evaluation_fingerprint"}
    [data] = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("string", "data-1")
    parameters = {"Adam.learning_rate": "0.001", "Autoencoder.decoder": "@RnnFcDecoder()", "steps": "600"}
    assert parameters.items() <= run.data.params.items()
    assert run.data.params["train/RnnFcDecoder.output_splits"] == "(('amps', 1), ('harmonic_distribution', 60))"
    curve = client.get_metric_history(version.run_id, "valid/spectral_loss")
    assert [point.step for point in curve] == list(range(600)) and curve[300].value == 8.5
    assert curve[10].timestamp - curve[0].timestamp == 1000
    assert run.data.metrics["held_out_f0_cents"] == 8.5 and run.data.metrics["valid_loss"] == 4.5
    shown = {item.path for item in client.list_artifacts(version.run_id, "evaluation")}
    assert shown == {"evaluation/evaluation.json", "evaluation/report.html", "evaluation/listening"}
    assert Path(workspace, "mlflow/artifacts").is_dir()


def test_the_experiment_shows_trainings_and_a_view_with_their_losses_and_keeps_a_persons_text(workspace):
    register(trainings(workspace), uri_of(workspace))
    client = client_of(workspace)
    experiment = client.get_experiment_by_name("luthier")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    view = experiment.tags["mlflow.sharedViewState.luthier"].removeprefix("deflate;")
    columns = json.loads(zlib.decompress(base64.b64decode(view)))["selectedColumns"]
    assert {"tags.`family`", "tags.`synth`", "metrics.`held_out_spectral_loss`", "metrics.`valid_loss`"} <= set(columns)
    run = client.search_runs([experiment.experiment_id])[0]
    known = {f"tags.`{name}`" for name in run.data.tags} | {f"metrics.`{name}`" for name in run.data.metrics}
    assert {"tags.`preset`", "metrics.`held_out_spectral_loss`"} <= known
    assert (
        f"/{experiment.experiment_id}/runs?workflowType=machine_learning&viewStateShareKey=luthier)"
        in experiment.tags["mlflow.note.content"]
    )
    client.set_experiment_tag(experiment.experiment_id, "mlflow.note.content", "Ours")
    register(trainings(workspace), uri_of(workspace))
    assert client.get_experiment(experiment.experiment_id).tags["mlflow.note.content"] == "Ours"


def test_registering_again_changes_nothing_and_shows_a_newer_evaluation(workspace):
    uris = trainings(workspace)
    first = register(uris, uri_of(workspace))
    before = state(workspace)
    assert register(uris, uri_of(workspace)) == first and state(workspace) == before

    write_evaluation(Path(uris[0]), 5.0, f0_cents=3.0)
    assert register(uris, uri_of(workspace)) == first and state(workspace) == before
    client = client_of(workspace)
    run = client.get_run(client.get_model_version("ddsp-string", "1").run_id)
    assert run.data.metrics["held_out_f0_cents"] == 3.0


@pytest.mark.parametrize("breaking", ["log_batch", "log_model_artifacts", "create_model_version", "set_tag"])
def test_a_registration_that_broke_is_completed(workspace, monkeypatch, breaking):
    def broken(*args, **kwargs):
        raise KeyboardInterrupt

    uris = trainings(workspace)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(MlflowClient, breaking, broken)
        register(uris, uri_of(workspace))
    result = register(uris, uri_of(workspace))
    runs, versions, champion_version = state(workspace)
    assert runs == [(f"string-{synth} run-1", "FINISHED") for synth in sorted(SYNTHS)]
    assert versions == 3 and champion_version == result.versions["wavetable"]
    client = client_of(workspace)
    models = client.search_logged_models([client.get_experiment_by_name("luthier").experiment_id])
    assert [model.status.name for model in models] == ["READY"] * 3


def test_a_database_whose_making_was_interrupted_is_made_anew(fresh_workspace):
    uris = trainings(fresh_workspace)
    script = "import sys; from components.register.step import register; register(sys.argv[2:], sys.argv[1])"
    process = subprocess.Popen([sys.executable, "-c", script, uri_of(fresh_workspace), *uris])

    def is_begun():
        with suppress(FileNotFoundError):  # it gets its name when it is complete
            return any(path.stat().st_size >= 100_000 for path in fresh_workspace.glob("mlflow/**/mlflow.db"))

    wait_until(is_begun, "the database has its first tables", pause_s=0.005, process=process)
    process.kill()
    process.wait()
    assert register(uris, uri_of(fresh_workspace)).champion.version == 3


def test_two_families_at_once_on_a_fresh_database_without_tensorflow(fresh_workspace):
    script = (
        "import sys; from components.register.step import register;"
        "print(register(sys.argv[2:], sys.argv[1]).text());"
        "assert not {'tensorflow', 'tf_keras', 'ddsp'} & set(sys.modules)"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, uri_of(fresh_workspace), *trainings(fresh_workspace, family=family)],
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True},
        )
        for family in ("string", "keyboard")
    ]
    for family, process in zip(("string", "keyboard"), running, strict=True):
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        versions = "harmonic v1, sinusoidal v2, wavetable v3; champion wavetable v3, loss 4.50"
        assert (out, err) == (f"ddsp-{family}: {versions}\n", "")  # and not a word from MLflow


def test_the_same_on_a_server_named_by_the_environment(workspace, empty_registry, tmp_path, monkeypatch):
    port = free_port()
    # What `mlflow server` serves, without its workers and job runner.
    store = f"sqlite:///{shutil.copy(empty_registry, tmp_path / 'server.db')}"
    environment = {
        "_MLFLOW_SERVER_FILE_STORE": store,
        "_MLFLOW_SERVER_REGISTRY_STORE": store,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": f"{tmp_path}/artifacts",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }
    serve = f"import mlflow.server as m, werkzeug.serving as w; w.run_simple('127.0.0.1', {port}, m.app)"
    server = subprocess.Popen([sys.executable, "-c", serve], env=os.environ | environment, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(f"{url}/health"), f"{url} answers", pause_s=0.2, process=server)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        check_usable(url)  # before there is anything
        uris = trainings(workspace)
        result = register(uris)
        assert result.versions == {"harmonic": 1, "sinusoidal": 2, "wavetable": 3} and result.champion.version == 3
        assert register(uris) == result == dataclasses.replace(result, champion=find_champion(url, "string"))
        check_usable(url)
        experiment = MlflowClient(url).get_experiment_by_name("luthier").experiment_id
        MlflowClient(url).delete_experiment(experiment)
        with pytest.raises(InputError, match=f"was deleted: try 'mlflow experiments restore -x {experiment}'"):
            check_usable(url)
    finally:
        server.kill()
        server.wait()


def test_a_training_on_cloud_storage_is_registered_without_its_checkpoints(workspace, gcs):
    (uri,) = trainings(workspace, losses={"harmonic": 5.0})
    Path(uri, "checkpoints").mkdir()
    Path(uri, "checkpoints/ckpt-1.index").write_bytes(b"big")
    remote = f"{gcs.bucket()}/runs/run-1/string-harmonic"
    storage.upload_tree(uri, remote)
    with open_trained_model(remote) as training:
        assert (training.name, training.card.valid_loss) == ("string-harmonic run-1", 5.0)
        assert not (training.directory / "checkpoints").exists()
        with open_trained_model(uri) as local:
            assert training.fingerprint == local.fingerprint
    assert register([remote], uri_of(workspace)).versions == {"harmonic": 1}


def _answers(url):
    try:
        urllib.request.urlopen(url, timeout=30).close()
    except OSError:
        return False
    return True


def _edit(uri, name, **changes):
    path = Path(uri, name)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_bad_input_is_one_line(fresh_workspace, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    string = trainings(fresh_workspace)
    keyboard = trainings(fresh_workspace, family="keyboard")
    other_data = trainings(fresh_workspace, run_id="run-2", data="data-2")
    unfinished, no_model, *_ = trainings(fresh_workspace, run_id="run-3")
    _edit(unfinished, "run.json", status="running")
    Path(no_model, "model/model.json").unlink()
    cases = [
        ([], uri_of(fresh_workspace), "got no trainings"),
        ([str(fresh_workspace)], uri_of(fresh_workspace), "no run.json"),
        ([unfinished], uri_of(fresh_workspace), "status 'running'"),
        ([no_model], uri_of(fresh_workspace), "no model/model.json"),
        ([string[0], keyboard[0]], uri_of(fresh_workspace), "of keyboard and string, expected one family"),
        ([string[0], other_data[0]], uri_of(fresh_workspace), "on different data"),
        (string, "", "got no tracking URI"),
        (string, "http://127.0.0.1:1", "cannot reach MLflow at 'http://127.0.0.1:1'"),
        (string, "nosuch://place", "cannot use MLflow at 'nosuch://place'"),
    ]
    for uris, tracking_uri, message in cases:
        with pytest.raises(InputError, match=message) as caught:
            register(uris, tracking_uri)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="there is no MLflow database"):
        find_champion(uri_of(fresh_workspace), "string")


def test_the_run_that_a_training_has_logged_to_is_completed_and_not_doubled(workspace):
    (uri,) = trainings(workspace, losses={"harmonic": 5.0}, logged_every=1)
    with open_for_writing(uri_of(workspace), "trainings") as (client, experiment_id):
        own = client.create_run(experiment_id).info.run_id
        with open_trained_model(uri) as training:
            runs.log_points(client, own, training.curves()[:100])
        client.log_param(own, "Adam.learning_rate", "0.001")
        client.set_terminated(own, "FINISHED")
    _edit(uri, "run.json", mlflow_run_id=own)
    for _ in range(2):
        assert register([uri], uri_of(workspace)).versions == {"harmonic": 1}
    [version] = client.search_model_versions("name = 'ddsp-string'")
    assert version.run_id == own
    assert client.search_runs([client.get_experiment_by_name("luthier").experiment_id]) == []
    run = client.get_run(own)
    assert (run.info.run_name, run.info.status) == ("string-harmonic run-1", "FINISHED")
    assert run.data.tags["model_fingerprint"]
    assert run.data.params["steps"] == "600"
    steps = [point.step for point in client.get_metric_history(own, "train/spectral_loss")]
    assert sorted(steps) == list(range(600))
    # One that was deleted there is not needed.
    client.delete_run(own)
    assert register([uri], uri_of(workspace)).versions == {"harmonic": 2}
