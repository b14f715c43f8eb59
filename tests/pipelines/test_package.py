"""The compiled pipeline: what a person meets in the UI's form, and what a cluster is told."""

import pytest
import yaml
from kfp import components

from pipelines.package import compile_to


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return yaml.safe_load(compile_to(tmp_path_factory.mktemp("package")).read_text())


def test_every_parameter_is_described_and_typed(spec):
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    assert list(parameters) == sorted(
        ["source", "workspace", "families", "synths", "preset", "bindings", "tracking_uri", "sort_workers"]
    )
    for name, parameter in parameters.items():
        assert parameter["description"], name
        assert parameter["parameterType"] in ("STRING", "LIST", "NUMBER_INTEGER"), name


def test_graph_reads_as_a_story(spec):
    tasks = spec["root"]["dag"]["tasks"]
    assert set(tasks) == {"plan", "prepare", "group-shards", "sort-shards", "seal", "every-family", "compare"}
    assert "every-family" in tasks["compare"]["dependentTasks"]


def test_tasks_that_check_for_themselves_are_not_cached(spec):
    cached = {
        name: task.get("cachingOptions", {}).get("enableCache", False)
        for name, task in spec["root"]["dag"]["tasks"].items()
    }
    assert not any(cached[name] for name in ("plan", "prepare", "group-shards", "seal"))
    assert cached["compare"]


def test_no_executor_installs_packages_when_it_runs(spec):
    for executor in spec["deploymentSpec"]["executors"].values():
        assert "pip install" not in " ".join(executor["container"]["command"])


def test_package_loads_as_kfp_would_load_it(tmp_path):
    loaded = components.load_component_from_file(str(compile_to(tmp_path)))
    assert loaded.name == "train-instruments"


def test_compiling_twice_gives_the_same_bytes(tmp_path):
    assert compile_to(tmp_path / "a").read_bytes() == compile_to(tmp_path / "b").read_bytes()
