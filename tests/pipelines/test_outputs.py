"""Output artifacts as Kubeflow's launcher takes them: URIs below the pipeline root, content at `path`.

See backend/src/v2/component/launcher_v2.go in Kubeflow Pipelines 2.17: a `uri` elsewhere fails the step.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from kfp.dsl.executor import Executor
from kfp.dsl.types import artifact_types

from components.core.errors import StepError
from components.evaluate.compare import CompareResult
from components.plan.planned_training import PlannedTraining
from components.register.step import RegisterResult
from components.registry.aliases import Champion
from pipelines.register_component import register
from pipelines.train_component import train
from tests.records import finished_record

ROOT = "minio://mlpipeline/v2/artifacts/train-instruments/1f0c"
TRAIN = {"tracking_uri": "", "gpus": "", "queue": "", "priority_class": ""}
REGISTER = {
    **{"families": ["string"], "synths": ["harmonic"], "sorted_uri": "", "source_fingerprints": {}},
    **{"gate_bindings": [], "tracking_uri": "", "pipeline_run": "run", "pipeline_run_id": "1f0c"},
}
CHAMPION = Champion("models:/ddsp-string@champion", "harmonic", 3, 5.0, "gs://bucket/mlflow/models/m-1")


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "run"
    (folder / "string-harmonic").mkdir(parents=True)
    for name, text in (("report.html", "<p>all"), ("string-harmonic/report.html", "<p>one")):
        (folder / name).write_text(text)
    (folder / "string-harmonic" / "evaluation.json").write_text('{"notes": []}')
    return folder


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Executes a component as its pod does, and returns its output artifacts by name, each with what is at its path."""
    monkeypatch.setattr(artifact_types, "_MINIO_LOCAL_MOUNT_PREFIX", f"{tmp_path}/minio/")

    def run(component, root=ROOT, **arguments):
        spec = component.component_spec
        outputs = {}
        for name, output in spec.outputs.items():
            if output.type.startswith("system."):
                artifact_type = {"schemaTitle": output.type.split("@")[0]}
                outputs[name] = {"artifacts": [{"name": name, "type": artifact_type, "uri": f"{root}/task/{name}"}]}
        file = tmp_path / "executor_output.json"
        given = {
            "inputs": {"parameterValues": arguments},
            "outputs": {"artifacts": outputs, "parameters": {}, "outputFile": str(file)},
        }
        if "Output" in spec.outputs:
            given["outputs"]["parameters"] = {"Output": {"outputFile": str(tmp_path / "Output")}}
        Executor(given, component).execute()
        found = {}
        for name, artifacts in json.loads(file.read_text())["artifacts"].items():
            (artifact,) = artifacts["artifacts"]
            path = Path(artifact["uri"].replace("minio://", f"{tmp_path}/minio/"))
            found[name] = SimpleNamespace(
                uri=artifact["uri"], metadata=artifact["metadata"], text=path.read_text() if path.is_file() else ""
            )
        return found

    return run


@pytest.fixture
def steps(monkeypatch, workspace):
    """The steps without their work: they return what they would have returned."""
    monkeypatch.setattr("components.launch.request.TrainingRequest.checked", lambda **given: SimpleNamespace(**given))
    monkeypatch.setattr("components.launch.local_process.train", lambda _: finished_record("string", "harmonic"))
    means = {"spectral_loss": 5.5, "loudness_error_db": 1.0}
    evaluation = SimpleNamespace(means=lambda: means, text=lambda: "2 notes")
    monkeypatch.setattr("components.artifacts.evaluation.read", lambda _: evaluation)
    monkeypatch.setattr("pipelines.registration.is_trained_and_evaluated", lambda _: True)
    compared = CompareResult(str(workspace / "report.html"), {"string": "harmonic"}, [])
    monkeypatch.setattr("pipelines.registration.compare", lambda *_: compared)
    registered = RegisterResult("ddsp-string", {"harmonic": 3}, {"harmonic": "champion"}, CHAMPION)
    monkeypatch.setattr("components.register.step.register", lambda *_, **__: registered)
    monkeypatch.setattr("pipelines.registration.score_champion", lambda *_: None)


def executed(execute, workspace, root=ROOT):
    """Returns the artifacts of all components that have any, by component and name."""
    planned = PlannedTraining("string", "harmonic", str(workspace), "sorted", "smoke").to_text()
    return {
        "train": execute(train, root, training=planned, pipeline_run_id="run-1", **TRAIN),
        "register": execute(register, root, run_uri=str(workspace), **REGISTER),
    }


def test_no_artifact_leaves_the_pipeline_root(execute, steps, workspace):
    for component, artifacts in executed(execute, workspace).items():
        assert artifacts, component
        for name, artifact in artifacts.items():
            assert artifact.uri == f"{ROOT}/task/{name}", component
            assert artifact.text, f"{component}: Kubeflow's link to {name} would be dead"
            # The launcher refuses null and NaN.
            assert all(value is not None for value in artifact.metadata.values()), component
            json.dumps(artifact.metadata, allow_nan=False)


def test_all_components_with_artifacts_are_tried_here(execute, steps, workspace, local_package):
    spec = next(yaml.safe_load_all(local_package.read_text()))
    with_artifacts = {
        spec["components"][name]["executorLabel"].removeprefix("exec-")
        for name, component in spec["components"].items()
        if component.get("outputDefinitions", {}).get("artifacts") and "executorLabel" in component
    }
    assert with_artifacts == set(executed(execute, workspace))


def test_artifacts_show_what_people_look_for(execute, steps, workspace):
    found = executed(execute, workspace)
    trained, registered = found["train"], found["register"]
    assert trained["report"].text == "<p>one"
    assert trained["metrics"].metadata == {"spectral_loss": 5.5, "loudness_error_db": 1.0}
    assert trained["metrics"].text == '{"notes": []}'
    model = trained["model"]
    assert model.metadata["model_uri"] == model.text.strip() == f"{workspace}/string-harmonic/model"
    assert model.metadata["valid_loss"] == 5.0
    assert registered["report"].text == "<p>all"
    assert registered["report"].metadata["report_uri"] == str(workspace / "report.html")
    assert registered["champions"].metadata == {"string": "models:/ddsp-string@champion, version 3"}
    assert "champion harmonic v3, loss 5.00" in registered["champions"].text


def test_a_failed_training_and_nothing_to_do_leave_no_dead_link(execute, steps, workspace, monkeypatch):
    def failing(_):
        raise StepError("Job <x> was deleted")

    monkeypatch.setattr("components.launch.local_process.train", failing)
    trained = executed(execute, workspace)["train"]
    assert "string-harmonic: failed: Job &lt;x&gt; was deleted" in trained["report"].text
    assert trained["model"].text == "no model\n" and trained["metrics"].text
    nothing = execute(register, run_uri=str(workspace), **{**REGISTER, "families": []})
    assert "Nothing was trained" in nothing["report"].text and "no model" in nothing["champions"].text


def test_a_local_run_copies_nothing(execute, steps, workspace, tmp_path):
    found = executed(execute, workspace, root=str(tmp_path / "outputs"))
    assert found["train"]["model"].uri == f"{workspace}/string-harmonic/model"
    assert found["train"]["report"].uri == f"{workspace}/string-harmonic/report.html"
    assert found["register"]["report"].uri == f"{workspace}/report.html"
