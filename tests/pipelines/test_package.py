"""The compiled pipeline: what a person meets in the UI's form, and what a cluster is told."""

import pytest
import yaml
from google.protobuf import json_format
from kfp import components
from kfp.pipeline_spec import pipeline_spec_pb2

from pipelines.package import compile_to
from tests.manifests.rendering import ROOT
from tests.pipelines.outline import GOLDEN, outline


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return next(yaml.safe_load_all(compile_to(tmp_path_factory.mktemp("package")).read_text()))


def test_every_parameter_is_described_and_typed(spec):
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    for name, parameter in parameters.items():
        assert parameter["description"], name
        assert parameter["parameterType"] in ("STRING", "LIST", "NUMBER_INTEGER", "BOOLEAN"), name


def test_tasks_that_check_for_themselves_are_not_cached(spec):
    cached = {
        name: task.get("cachingOptions", {}).get("enableCache", False)
        for name, task in spec["root"]["dag"]["tasks"].items()
    }
    assert not any(cached[name] for name in ("plan", "prepare", "group-shards", "commit-sorted-set"))


def test_tasks_that_run_whatever_failed_are_as_the_cluster_can_run_them(spec):
    """Kubeflow Pipelines 2.17 makes of them exit hooks of each task that they wait for, outside of the graph.

    See backend/src/v2/compiler/argocompiler/dag.go there. So such a task waits for one task, or it would run several
    times; and nothing waits for it, or the workflow would be refused.
    """
    dags = [spec["root"]["dag"], *(each["dag"] for each in spec["components"].values() if "dag" in each)]
    for dag in dags:
        hooks = {
            name
            for name, task in dag["tasks"].items()
            if task.get("triggerPolicy", {}).get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED"
        }
        for name, task in dag["tasks"].items():
            assert name not in hooks or len(task["dependentTasks"]) == 1, f"{name} would run several times"
            assert not hooks & set(task.get("dependentTasks", [])), f"{name} waits for an exit hook"


def test_no_executor_installs_packages_when_it_runs(spec):
    for executor in spec["deploymentSpec"]["executors"].values():
        assert "pip install" not in " ".join(executor["container"]["command"])


def test_package_loads_as_kfp_would_load_it(tmp_path):
    loaded = components.load_component_from_file(str(compile_to(tmp_path)))
    assert loaded.name == "train-instruments"


def test_compiling_twice_gives_the_same_bytes(tmp_path):
    assert compile_to(tmp_path / "a").read_bytes() == compile_to(tmp_path / "b").read_bytes()


def test_the_pipeline_is_the_one_that_was_looked_at(tmp_path):
    """After a wanted change: `python -m tests.pipelines.outline`, and look at the difference."""
    assert outline(compile_to(tmp_path)) == GOLDEN.read_text()


def test_the_package_parses_as_kfps_own_specification(tmp_path):
    spec, *platform = yaml.safe_load_all(compile_to(tmp_path).read_text())
    parsed = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    assert parsed.pipeline_info.name == "train-instruments"
    for document in platform:
        json_format.ParseDict(document, pipeline_spec_pb2.PlatformSpec())


def test_every_task_takes_the_logins_of_its_namespace_and_runs_as_the_user_of_the_images(tmp_path):
    _, platform = yaml.safe_load_all(compile_to(tmp_path).read_text())
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    template = ROOT / "components"
    (key,) = yaml.safe_load((template / "gcs-key/job.yaml").read_text())["spec"]["template"]["spec"]["volumes"]
    (login,) = yaml.safe_load((template / "mlflow-login/job.yaml").read_text())["spec"]["template"]["spec"][
        "containers"
    ]
    for executor in executors.values():
        assert executor["securityContext"] == {"runAsUser": "10001", "runAsGroup": "10001", "runAsNonRoot": True}
        (volume,), (secret,) = executor["secretAsVolume"], executor["secretAsEnv"]
        assert volume["secretName"] == key["secret"]["secretName"] and volume["optional"]
        references = [entry["valueFrom"]["secretKeyRef"] for entry in login["env"]]
        assert {secret["secretName"]} == {reference["name"] for reference in references} and secret["optional"]
        assert [entry["secretKey"] for entry in secret["keyToEnv"]] == [reference["key"] for reference in references]
