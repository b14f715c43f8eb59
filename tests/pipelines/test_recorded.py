"""Following runs that a real Kubeflow Pipelines 2.17 told of: its answers are in `recorded/`, trimmed.

The runs `flat-*` are of today's pipeline, the others of an earlier one with more tasks. Some were recorded with their
workflow; of the others there are only the tasks, which the API no longer updates once Argo compresses a large workflow.
"""

import json
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.pipelines.conftest import SUBMIT
from tests.pipelines.workflow import RECORDED, RecordedRun

BEFORE_TRAINING = ["plan", "prepare", "group-shards", "sort", "seal", "select"]
TRAININGS = ["train", *(f"train ({number})" for number in range(2, 7))]


@pytest.fixture
def follow(kfp_api, luthier):
    """Follows a run that is as recorded, and returns the command's result and its lines "<mark> <task>"."""
    run_id = ""

    def follow(*runs, has_v1beta1=True):
        nonlocal run_id
        assert luthier(*SUBMIT, "--no-follow").code == 0
        run_id = kfp_api.made("runs")[-1]["run_id"]
        kfp_api.states, kfp_api.looks, kfp_api.has_v1beta1 = [(run.state, run) for run in runs], 0, has_v1beta1
        finished = luthier("submit", "--follow", run_id)
        lines = [line.split(maxsplit=1)[1] for line in finished.err.splitlines() if "✓" in line or "✗" in line]
        return finished, [line.partition("  ")[0] for line in lines]

    return follow


def done(*titles):
    return [f"✓ {title}" for title in titles]


def failed(*titles):
    return [f"✗ {title}" for title in titles]


def recorded_log(name):
    return (RECORDED / f"log-of-{name}").read_text()


def test_each_task_of_a_run_is_shown_once_while_it_runs_and_when_it_has_ended(follow):
    _, lines = follow(RecordedRun("running"), RecordedRun("running"), RecordedRun("failed"))
    assert lines == [*done(*BEFORE_TRAINING), *failed(*TRAININGS, "register", "register (2)", "compare")]


def test_a_large_run_succeeds_though_its_tasks_are_out_of_date(follow):
    finished, lines = follow(RecordedRun("succeeded"))
    assert finished.code == 0, finished.err
    assert lines == done(*BEFORE_TRAINING, *TRAININGS)


def test_reused_tasks_are_told_as_such(follow):
    finished, lines = follow(RecordedRun("cached"))
    assert finished.code == 0, finished.err
    evaluations = ["evaluate", *(f"evaluate ({number})" for number in range(2, 7))]
    assert lines == done(*BEFORE_TRAINING, *TRAININGS, *evaluations, "register", "register (2)", "compare")
    assert finished.err.count("from the cache") == 12


@pytest.mark.parametrize("has_v1beta1", [True, False], ids=["workflow", "tasks alone"])
def test_the_failed_training_of_a_run_that_goes_on_is_named_with_its_error(follow, has_v1beta1):
    log = recorded_log("a-failed-train.txt")
    run = RecordedRun("partly-failed", {"train-instruments-4d5r6-2351250880": log})
    finished, lines = follow(run, has_v1beta1=has_v1beta1)
    assert finished.code == 1
    assert finished.err.splitlines()[-1].startswith(
        "luthier: train: Job luthier-smoke-be142555-string-wavetable was deleted by somebody before the training was "
    )
    assert "more failed" not in finished.err
    assert lines == [
        *done(*BEFORE_TRAINING, "train", "train (2)"),
        *failed("train (3)"),
        *done("evaluate", "evaluate (2)", "register", "compare"),
    ]


def test_the_first_failure_is_that_of_the_launcher_and_the_others_are_counted(follow):
    log = recorded_log("a-refused-artifact.txt")
    finished, _ = follow(RecordedRun("failed", {"train-instruments-mxkbl-2185546587": log}))
    assert finished.code == 1
    last = finished.err.splitlines()[-1]
    assert last.startswith('luthier: train: failed to upload output artifact "model": URI "gs://luthier/kfp/runs/')
    assert "(and 8 more failed)" in last


def test_of_a_large_run_the_tasks_alone_still_tell_the_failure(follow):
    log = recorded_log("a-refused-artifact.txt")
    run = RecordedRun("failed", {"train-instruments-mxkbl-2185546587": log})
    finished, lines = follow(run, has_v1beta1=False)
    assert "luthier: train: failed to upload output artifact" in finished.err
    assert lines == [*done(*BEFORE_TRAINING), *failed(*TRAININGS)]


def test_a_log_that_is_gone_is_not_told_as_the_tasks_error(follow):
    finished, _ = follow(RecordedRun("partly-failed"))
    last = finished.err.splitlines()[-1]
    assert "luthier: train: failed; its log is no longer available (main: Error (exit code 1))" in last
    assert "error_message" not in finished.err


@pytest.mark.parametrize("has_v1beta1", [True, False], ids=["workflow", "tasks alone"])
def test_a_stopped_run_is_told_as_stopped_though_it_failed(follow, has_v1beta1):
    run = RecordedRun("stopped")
    assert run.state == "FAILED"
    finished, _ = follow(run, has_v1beta1=has_v1beta1)
    assert finished.code == 1
    assert "luthier: the run was stopped (see http" in finished.err


def test_an_unknown_run_is_one_line(kfp_api, luthier):
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{kfp_api.host}/apis/v2beta1/runs/325bd30b-1c49-42ee-85a1-dc899f43aaaa")
    assert json.load(refused.value) == json.loads((RECORDED / "run-unknown.json").read_text())
    finished = luthier("submit", "--follow", "325bd30b-1c49-42ee-85a1-dc899f43aaaa")
    assert finished.code == 2
    assert len(finished.err.strip().splitlines()) == 1
    assert "325bd30b-1c49-42ee-85a1-dc899f43aaaa" in finished.err and "not found" in finished.err


@pytest.mark.parametrize(
    ("runs", "code", "lines"),
    [
        (["flat-running", "flat-succeeded"], 0, done("plan", *TRAININGS, "register")),
        (["flat-nothing"], 0, done("plan", "register")),
        (["flat-lost"], 1, [*done("plan", "train", "train (2)", "register"), *failed("failed-trainings")]),
        (["flat-failed-trainings"], 1, [*done("plan", *TRAININGS, "register"), *failed("failed-trainings")]),
    ],
    ids=["two families with three synths", "nothing to do", "a deleted Job", "trainings that fail"],
)
def test_the_flat_pipeline(follow, runs, code, lines):
    """Its workflow and tasks, recorded without the logs of its pods: those tell which training a task is."""
    finished, shown = follow(*map(RecordedRun, runs))
    assert (finished.code, shown) == (code, lines), finished.err
