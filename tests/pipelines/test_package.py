"""The compiled pipeline: what a person meets in the UI's form, and what a cluster is told."""

import pytest
import yaml
from google.protobuf import json_format
from kfp import components
from kfp.pipeline_spec import pipeline_spec_pb2

from pipelines.package import compile_to
from tests.manifests.rendering import ROOT
from tests.pipelines.outline import GOLDEN, outline


def dags(spec):
    return [spec["root"]["dag"], *(each["dag"] for each in spec["components"].values() if "dag" in each)]


class Workload:
    """The pods of a run, counted from the package; `items` of each loop."""

    def __init__(self, spec, items):
        self._root, self._components, self._items = spec["root"], spec["components"], items

    def pods(self):
        return 1 + self._pods_of(self._root["dag"])

    def longest(self):
        """How many pods run one after the other."""
        return 1 + self._length_of(self._root["dag"])

    def pods_before(self, task):
        """How many pods run one after the other before the executor of a task in a loop begins."""
        tasks = self._root["dag"]["tasks"]
        loop = next(name for name, each in tasks.items() if task in self._inner(each).get("tasks", {}))
        return 1 + self._start(tasks, loop) + 2 + 1  # the loop's driver, the item's, the task's

    def _inner(self, task):
        return self._components[task["componentRef"]["name"]].get("dag", {})

    def _pods_of(self, dag):
        return sum(self._pods_of_task(name, task) for name, task in dag["tasks"].items())

    def _pods_of_task(self, name, task):
        inner = self._inner(task)
        if not inner:
            return self._pods_of_container(task)
        if "parameterIterator" in task:
            return 1 + self._items[name] * (1 + self._pods_of(inner))
        return 1 if "triggerPolicy" in task else 1 + self._pods_of(inner)  # a condition that does not hold

    def _pods_of_container(self, task):
        return 1 if "triggerPolicy" in task and not any(self._items.values()) else 2

    def _length_of(self, dag):
        return max(self._start(dag["tasks"], name) + self._length(name, task) for name, task in dag["tasks"].items())

    def _start(self, tasks, name):
        before = tasks[name].get("dependentTasks", [])
        return max((self._start(tasks, each) + self._length(each, tasks[each]) for each in before), default=0)

    def _length(self, name, task):
        inner = self._inner(task)
        if not inner:
            return self._pods_of_container(task)
        if "parameterIterator" in task:
            return 1 + (1 + self._length_of(inner) if self._items[name] else 0)
        return 1 if "triggerPolicy" in task else 1 + self._length_of(inner)


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return next(yaml.safe_load_all(compile_to(tmp_path_factory.mktemp("package")).read_text()))


def test_every_parameter_is_described_and_typed(spec):
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    for name, parameter in parameters.items():
        assert parameter["description"], name
        assert parameter["parameterType"] in ("STRING", "LIST", "NUMBER_INTEGER", "BOOLEAN"), name


def test_the_description_tells_what_the_form_does_not(spec):
    """The UI's form shows names and types, but no description of a parameter."""
    lines = spec["pipelineInfo"]["description"].splitlines()
    assert {line.partition(":")[0] for line in lines[2:]} == set(spec["root"]["inputDefinitions"]["parameters"])


def test_only_the_workspace_is_required(spec):
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    assert [name for name, each in parameters.items() if not each.get("isOptional")] == ["workspace"]


def test_nothing_is_cached_by_kubeflow(spec):
    for dag in dags(spec):
        for name, task in dag["tasks"].items():
            assert not task.get("cachingOptions", {}).get("enableCache"), name


def test_no_task_is_an_exit_hook(spec):
    """Kubeflow Pipelines 2.17 makes exit hooks of tasks that ignore failures upstream, and forgets them after a loop.

    See iteratorTask in backend/src/v2/compiler/argocompiler/dag.go there. Exit hooks also run after a stop.
    """
    for dag in dags(spec):
        for name, task in dag["tasks"].items():
            assert task.get("triggerPolicy", {}).get("strategy") != "ALL_UPSTREAM_TASKS_COMPLETED", name


def test_a_training_is_one_click_from_the_root(spec):
    loop = spec["root"]["dag"]["tasks"]["trainings"]
    assert list(spec["components"][loop["componentRef"]["name"]]["dag"]["tasks"]) == ["train"]


# A task of Kubeflow Pipelines 2.17 is a driver and an executor; a group, a loop and an item of one are a driver each.
# On a real one, each pod took ten seconds.
POD_S = 10
SIX = {"sort-shards": 0, "trainings": 6}
NOTHING = {"sort-shards": 0, "trainings": 0}


def test_two_families_and_three_synths_take_thirty_pods_at_most(spec):
    assert Workload(spec, SIX).pods() == 26


def test_the_first_training_begins_within_two_minutes(spec):
    work = Workload(spec, SIX)
    # Root, plan, two loops, an item, the task: its Job is created when its executor begins.
    assert work.pods_before("train") * POD_S <= 70


def test_a_run_with_nothing_to_do_takes_less_than_90_seconds(spec):
    """And the condition after `register` has no pod, because Argo leaves out what follows a skipped task."""
    assert Workload(spec, NOTHING).longest() * POD_S <= 70


def test_what_is_skipped_is_a_loop_without_items_or_a_registration_without_work(spec):
    """Also in Kubeflow's metadata store, which ends a loop with its items: one without would run for ever there."""
    conditions = {
        name: task["triggerPolicy"]["condition"]
        for name, task in spec["root"]["dag"]["tasks"].items()
        if "triggerPolicy" in task
    }
    inputs = "inputs.parameter_values['pipelinechannel--"

    def not_empty(items):
        # Asked of each item, too, whose inputs have no items. Tried on a real one: the driver has its own CEL.
        return f"!('pipelinechannel--{items}' in inputs.parameter_values) || size({inputs}{items}']) > 0"

    assert conditions == {
        "sort-shards": not_empty("plan-shares"),
        "trainings": not_empty("plan-Output"),
        "register": f"{inputs}plan-has_work'] == true",
        "if-trainings-failed": f"{inputs}register-Output'] == 'incomplete'",
    }


def test_a_step_may_be_repeated_for_as_long_as_it_may_take(tmp_path):
    """Argo counts maxDuration from the first start, and gives it to each further pod as its deadline.

    A longest duration of ten minutes ended the step of a training that had lost a pod after ten minutes.
    """
    spec, platform = yaml.safe_load_all(compile_to(tmp_path).read_text())
    settings = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for dag in dags(spec):
        for name, task in dag["tasks"].items():
            if "retryPolicy" in task:
                label = spec["components"][task["componentRef"]["name"]]["executorLabel"]
                timeout_s = int(settings[label]["activeDeadlineSeconds"])
                assert task["retryPolicy"]["backoffMaxDuration"] == f"{timeout_s}s", name
                # Argo 4 reads a whole number; another one is an error, after which every group above is repeated.
                assert float(task["retryPolicy"]["backoffFactor"]).is_integer(), name


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
