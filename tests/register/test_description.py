"""The descriptions on MLflow's pages: scores, report, listening samples, lineage, and promotion status."""

import pytest
from mlflow import MlflowClient

from components.register.rollback import roll_back
from components.register.step import register
from tests.register.trainings import write_evaluation, write_training


@pytest.fixture
def client(registry):
    return MlflowClient(tracking_uri=registry, registry_uri=registry)


@pytest.fixture
def trained(tmp_path, registry):
    def register_one(run_id, loss, **options):
        uri = write_training(tmp_path / "runs" / run_id / "string-harmonic", loss, **options)
        return register([uri], registry, lineage={"pipeline_run": "kfp-7"})

    return register_one


def description(client, version):
    return client.get_model_version("ddsp-string", str(version)).description


def status(client, version):
    return description(client, version).splitlines()[0]


def test_a_version_says_how_it_sounds_where_to_hear_it_and_where_it_is_from(client, trained, tmp_path):
    trained("run-1", 5.0)
    run = client.get_run(client.get_model_version("ddsp-string", "1").run_id)
    text, home = description(client, 1), f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    assert text.startswith("champion\n\nString, harmonic synth: preset smoke, 600 steps.")
    assert "Over 1 held-out note:" in text and "| spectral loss | 5.000 | 4.000 to 6.000 | 5.000 | 5.000 |" in text
    for path in ("artifacts/evaluation/report.html", "artifacts/evaluation/listening", "model-metrics"):
        assert f"({home}/{path})" in text
    for fact in ("data fingerprint: `data-1`", "git commit: `abc`", "pipeline run: `kfp-7`"):
        assert f"- {fact}" in text
    assert f"- training uri: `{tmp_path / 'runs/run-1/string-harmonic'}`" in text
    assert "- image" not in text  # not known
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith("Registered as [ddsp-string, version 1](#/models/ddsp-string/versions/1)")
    assert note.partition("\n\n")[2] == text.partition("\n\n")[2]


def test_what_fails_the_gate_says_why(client, trained):
    trained("run-1", 30.0)
    assert status(client, 1) == "failed the gate: its spectral loss is 30, the limit is at most 20"
    assert "No champion" in client.get_registered_model("ddsp-string").description
    trained("run-2", None)
    assert status(client, 2) == "failed the gate: it was not evaluated"


def test_every_change_of_champion_is_told(client, trained, registry, tmp_path):
    trained("run-1", 5.0)
    trained("run-2", 4.0)
    assert [status(client, n) for n in (1, 2)] == [
        "champion until version 2",
        "champion",
    ]
    model = client.get_registered_model("ddsp-string").description
    assert "Champion: [version 2](#/models/ddsp-string/versions/2), harmonic, spectral loss 4.00" in model
    assert "2 versions" in model
    before = description(client, 1).partition("\n\n")[2]
    roll_back("string", registry)
    assert status(client, 1) == "champion"
    assert status(client, 2).startswith("rolled back to version 1 on ")
    assert description(client, 1).partition("\n\n")[2] == before
    assert "Champion: [version 1]" in client.get_registered_model("ddsp-string").description

    write_evaluation(tmp_path / "runs/run-1/string-harmonic", 4.5)
    register([str(tmp_path / "runs/run-1/string-harmonic")], registry)
    assert "| spectral loss | 4.500 |" in description(client, 1)


def test_what_a_person_wrote_stays(client, trained):
    trained("run-1", 5.0)
    client.update_model_version("ddsp-string", "1", "The one from the cathedral.")
    client.update_registered_model("ddsp-string", "Our strings.")
    trained("run-2", 4.0)
    assert description(client, 1) == "The one from the cathedral."
    assert client.get_registered_model("ddsp-string").description == "Our strings."
    assert status(client, 2) == "champion"


def test_lineage_is_text(client, trained):
    trained("run-1", 5.0, data_uri="`](javascript:alert(1)) **\n# head")
    assert "- data uri: `'](javascript:alert(1)) ** # head`" in description(client, 1)
