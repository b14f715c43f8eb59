"""Luthier in a real Kubeflow Pipelines: `make test-kfp` with KFP_HOST, LUTHIER_KFP_SOURCE and LUTHIER_KFP_WORKSPACE.

The source is small (the sample notes, as recordings or records), the workspace a bucket that both the pods and this
machine reach, or the emulator of overlays/kind with STORAGE_EMULATOR_HOST at a forwarded port. The images are those
that LUTHIER_DATA_IMAGE and LUTHIER_TRAIN_IMAGE name, and the template of the Jobs has the same. KUBECONFIG and
LUTHIER_NAMESPACE lead to these Jobs. Other options of `luthier submit` come from their variables.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from click.testing import CliRunner

from components import storage
from components.kubernetes.connection import connect as kubernetes_api
from pipelines.kubeflow.client import Kubeflow, all_pages, connect, name_filter
from pipelines.kubeflow.endpoint import Endpoint, endpoint_options
from pipelines.kubeflow.nodes import nodes_of_workflow

pytestmark = pytest.mark.kfp
_RUN_S = 2 * 3600
_TRIGGER_S = 5 * 60
_POLL_S = 5.0
_PART = "app.kubernetes.io/part-of=luthier"


@dataclass(frozen=True)
class Place:
    """What these tests use, and nobody else: a workspace and names."""

    kubeflow: Kubeflow
    workspace: str
    name: str

    def parameters(self, **changed: str) -> list[str]:
        """Returns the flags of a run that takes minutes: one family, one synthesizer, the preset `smoke`."""
        given = {
            **{"source": os.environ["LUTHIER_KFP_SOURCE"], "workspace": self.workspace, "preset": "smoke"},
            **{"families": "string", "synths": "harmonic", "sort_workers": "1"},
            **changed,
        }
        return [part for name, value in given.items() for part in ("-p", f"{name}={value}")]


def _endpoint() -> Endpoint:
    """Returns the endpoint as `luthier submit` finds it, by its own options."""
    import click

    found: list[Endpoint] = []

    @click.command()
    @endpoint_options
    def command(endpoint: Endpoint) -> None:
        found.append(endpoint)

    result = CliRunner().invoke(command, [], standalone_mode=False)
    assert found, result.exception
    return found[0]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    for variable in ("KFP_HOST", "LUTHIER_KFP_SOURCE", "LUTHIER_KFP_WORKSPACE"):
        assert os.environ.get(variable), f"these tests need {variable}: see the top of tests/kfp/test_kubeflow.py"
    name = f"luthier-test-{uuid.uuid4().hex[:8]}"
    workspace = storage.join(os.environ["LUTHIER_KFP_WORKSPACE"], name)
    yield Place(connect(_endpoint()), workspace, name)
    storage.delete_tree(workspace)


def _luthier(*arguments: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "components.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)


def _run_id(out: str) -> str:
    found = re.search(r"^submitted  \S+/#/runs/details/(\S+)$", out, re.MULTILINE)
    assert found, out
    return found[1]


def _wait_for(condition: Callable[[], object], what: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        time.sleep(_POLL_S)


def _shown(progress: str) -> list[str]:
    """Returns the tasks that ended, "<mark> <task>"."""
    return [f"{mark} {task}" for mark, task in re.findall(r"^[\d:]+ ([✓✗]) (.+?)  ", progress, re.MULTILINE)]


def _active_jobs(place: Place) -> list[str]:
    """Returns the Jobs of this place's trainings that run or are about to."""
    listed = _luthier("jobs", "--json")
    assert listed.returncode == 0, listed.stderr
    return [
        job["name"]
        for job in json.loads(listed.stdout)
        if job["training_uri"].startswith(place.workspace) and job["state"] in ("Pending", "Queued", "Running")
    ]


def _pods(place: Place, run_id: str) -> set[tuple[str, ...]]:
    """Returns the names of the nodes of a run that have a pod, each as its parts, without the numbers of attempts."""
    nodes = nodes_of_workflow(place.kubeflow.workflow_manifest(run_id))
    names = [re.sub(r"\(\d+\)", "", node.name).split(".") for node in nodes if node.state != "SKIPPED"]
    return {tuple(name) for name in names if name[-1] == "executor" or name[-1].endswith("-driver")}


@pytest.fixture(scope="module")
def finished(place: Place) -> subprocess.CompletedProcess[str]:
    """A run from the upload of the package to its end."""
    return _luthier("submit", "--name", place.name, *place.parameters(), timeout_s=_RUN_S)


def test_a_run_goes_from_the_upload_to_its_report(place, finished):
    assert finished.returncode == 0, finished.stderr
    run = place.kubeflow.api.runs.run_service_get_run(run_id=_run_id(finished.stdout))
    assert (run.state, run.display_name) == ("SUCCEEDED", place.name)
    assert _shown(finished.stderr) == ["✓ plan", "✓ train string-harmonic", "✓ register"]
    kept = {info.name.partition("/")[2] for info in storage.list_objects(storage.join(place.workspace, "runs"))}
    wanted = {"report.html", "string-harmonic/model/model.json", "string-harmonic/evaluation.json"}
    assert wanted <= kept


def test_the_same_package_is_one_version_and_done_work_is_not_done_again(place, finished):
    again = _luthier("submit", *place.parameters(), timeout_s=_RUN_S)
    assert again.returncode == 0, again.stderr
    runs = place.kubeflow.api.runs
    versions = {
        runs.run_service_get_run(run_id=_run_id(each.stdout)).pipeline_version_reference.pipeline_version_id
        for each in (finished, again)
    }
    assert len(versions) == 1
    # And no registration, because all is registered: the run, plan, two loops and register, which has a driver alone.
    assert _shown(again.stderr) == ["✓ plan"]
    assert len(_pods(place, _run_id(again.stdout))) == 6


def test_each_training_has_few_pods_and_is_found_near_the_root(place, finished):
    pods = _pods(place, _run_id(finished.stdout))
    # The run, plan, the loops, an item with its training, register, the condition after it.
    assert len(pods) <= 12
    groups = next(name for name in pods if name[-2:] == ("train", "executor"))
    assert [name for name in groups if not name.startswith("iteration-")][1:] == [
        *("root", "trainings", "train", "executor"),
    ]


def test_a_failure_comes_with_its_task_and_its_own_words(place):
    failed = _luthier("submit", *place.parameters(source=storage.join(place.workspace, "nothing")), timeout_s=_RUN_S)
    assert failed.returncode == 1
    last = failed.stderr.splitlines()[-1]
    assert last.startswith("luthier: plan: ") and f"{place.workspace}/nothing" in last


def test_a_failed_training_is_named_and_the_others_are_registered(place):
    two = place.parameters(synths="harmonic,sinusoidal", bindings='["train.max_steps = 60"]')
    run_id = _run_id(_luthier("submit", "--no-follow", *two).stdout)

    def lost():
        return next((job for job in _active_jobs(place) if job.endswith("-string-sinusoidal")), None)

    _wait_for(lost, "a training", _RUN_S)
    api = kubernetes_api(None, None)
    job = api.get("jobs", lost())
    api.delete("jobs", job["metadata"]["name"], job["metadata"]["uid"])
    followed = _luthier("submit", "--follow", run_id, timeout_s=_RUN_S)
    assert followed.returncode == 1
    shown = _shown(followed.stderr)
    assert sorted(shown[1:3]) == ["✓ train string-harmonic", "✗ train string-sinusoidal"]
    assert shown[3:] == ["✓ register", "✗ failed-trainings"]
    last = followed.stderr.splitlines()[-1]
    assert last.startswith("luthier: failed-trainings: string-sinusoidal: Job ") and " was deleted before" in last


def test_a_training_goes_on_and_is_registered_after_its_step_has_lost_three_pods(place):
    run_id = _run_id(_luthier("submit", "--no-follow", *place.parameters(synths="wavetable")).stdout)
    pods = kubernetes_api(None, place.kubeflow.namespace or "kubeflow")
    lost: set[str] = set()

    def lose() -> bool:
        """Deletes the pod of the step that waits for the training, which has to be another one each time."""
        for pod in pods.get("pods", query={"labelSelector": f"pipeline/runid={run_id},{_PART}"})["items"]:
            name, started = pod["metadata"]["name"], pod["status"]["phase"] == "Running"
            if started and name not in lost and _active_jobs(place):
                pods.delete("pods", name, pod["metadata"]["uid"])
                lost.add(name)
        return len(lost) == 3

    _wait_for(lose, "three pods of the step `train`", 1200)
    followed = _luthier("submit", "--follow", run_id, timeout_s=_RUN_S)
    assert followed.returncode == 0, followed.stderr
    assert _shown(followed.stderr) == ["✓ plan", "✓ train string-wavetable", "✓ register"]


def test_a_stopped_run_leaves_no_training_running(place):
    endless = place.parameters(preset="seed", bindings='["train.max_steps = 1000000"]')
    run_id = _run_id(_luthier("submit", "--no-follow", *endless).stdout)
    _wait_for(lambda: _active_jobs(place), "a training", _RUN_S)
    assert _luthier("submit", "--stop", run_id).returncode == 0
    followed = _luthier("submit", "--follow", run_id, timeout_s=600)
    assert followed.returncode == 1 and "the run was stopped" in followed.stderr.splitlines()[-1]
    _wait_for(lambda: not _active_jobs(place), "the end of its training", 120)


def test_a_schedule_is_made_triggers_rests_and_goes(place):
    schedule = ("schedule", "--name", place.name)
    each_minute = (*schedule, "--cron", "* * * * *", *place.parameters())
    api = place.kubeflow.api

    def recurring():
        call = api.recurring_runs.recurring_run_service_list_recurring_runs
        return list(
            all_pages(call, "recurring_runs", namespace=place.kubeflow.namespace, filter=name_filter(place.name))
        )

    try:
        assert "created" in _luthier(*each_minute).stdout
        (made,) = recurring()

        def triggered():
            runs = all_pages(api.runs.run_service_list_runs, "runs", experiment_id=made.experiment_id)
            return [run.run_id for run in runs if run.recurring_run_id == made.recurring_run_id]

        _wait_for(triggered, "a run of the schedule", _TRIGGER_S)
        assert "unchanged" in _luthier(*each_minute).stdout
        assert "suspended" in _luthier(*each_minute, "--suspend").stdout
        assert recurring()[0].mode == "DISABLE"
        for run_id in triggered():
            _luthier("submit", "--stop", run_id)
        assert "replaced" in _luthier(*schedule, "--cron", "0 3 1 1 *", *place.parameters()).stdout
        (kept,) = recurring()
        assert kept.recurring_run_id != made.recurring_run_id and kept.mode == "DISABLE"
    finally:
        removed = _luthier(*schedule, "--remove")
    assert removed.returncode == 0, removed.stderr
    assert recurring() == []
