"""Following a run in Kubeflow: how it ended, what failed and why, outages, Ctrl-C."""

import copy
import signal
import subprocess
import sys
import traceback

import pytest

from components.core.errors import NoAnswerError
from components.storage.gcs_errors import NoObject
from components.storage.objects import NotJson
from tests.pipelines.conftest import SUBMIT
from tests.pipelines.workflow import one_task
from tests.processes import takes_interrupt
from tests.waiting import wait_until

RAISED = """
Traceback (most recent call last):
  File "<string>", line 1, in <module>
components.core.errors.InputError: the source is empty: got no shards
F0301 10:01:05.123456 main.go:54] failed to execute component: exit status 1
"""


def test_a_failed_run_names_the_task_and_what_it_said(kfp_api, luthier):
    workflow = one_task(attempts=["FAILED", "SUCCEEDED"])
    for _ in workflow.loop("each-family", 1, "FAILED"):
        workflow.task("train", "FAILED", attempts=["FAILED", "FAILED"], log=RAISED)
    kfp_api.states = [("FAILED", workflow)]

    finished = luthier(*SUBMIT)

    assert finished.code == 1
    last = finished.err.splitlines()[-1]
    assert last.startswith("luthier: train: the source is empty: got no shards (see http://")
    assert "more failed" not in last


@pytest.mark.parametrize("error", [NoObject, NotJson, NoAnswerError])
def test_each_error_of_ours_is_told_without_the_name_of_its_class(kfp_api, luthier, error):
    workflow = one_task()
    raised = "".join(traceback.format_exception_only(error("there is no object 'gs://b/x'")))
    workflow.task("plan", "FAILED", log=f"Traceback (most recent call last):\n{raised}Error: exit status 1\n")
    kfp_api.states = [("FAILED", workflow)]
    assert luthier(*SUBMIT).err.splitlines()[-1].startswith("luthier: plan: there is no object 'gs://b/x' (see http")


def test_a_stopped_run_is_no_success_where_kubeflow_calls_it_canceled(kfp_api, luthier):
    kfp_api.states = [("CANCELING", one_task("RUNNING")), ("CANCELED", one_task("FAILED"))]
    finished = luthier(*SUBMIT)
    assert finished.code == 1 and "the run was stopped" in finished.err


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("ValueError: odd\n", "train: ValueError: odd"),
        ("kfp.odd.OddError: odd\n", "train: OddError: odd"),
        ("killed\n\n", "train: killed"),
        ("", "train: failed; its log is no longer available"),
    ],
)
def test_a_failure_without_our_own_error_says_the_best_there_is(kfp_api, luthier, log, said):
    workflow = one_task()
    workflow.task("train", "FAILED", log=log)
    kfp_api.states = [("FAILED", workflow)]
    assert said in luthier(*SUBMIT).err.splitlines()[-1]


def test_a_driver_that_fails_is_told_under_its_tasks_name(kfp_api, luthier):
    workflow = one_task()
    workflow.failed_driver("prepare", "KFP driver: rpc error\n")
    kfp_api.states = [("FAILED", workflow)]
    assert "luthier: prepare: KFP driver: rpc error" in luthier(*SUBMIT).err


def test_following_outlives_an_outage(kfp_api, luthier):
    assert luthier(*SUBMIT, "--no-follow").code == 0
    run_id = kfp_api.made("runs")[0]["run_id"]
    kfp_api.states = [("RUNNING", one_task("RUNNING")), ("SUCCEEDED", one_task())]
    original = kfp_api._run

    def breaking(identity):
        kfp_api.outages, kfp_api._run = 3, original
        return original(identity)

    kfp_api._run = breaking
    finished = luthier("submit", "--follow", run_id)
    assert finished.code == 0, finished.err
    assert kfp_api.outages == 0
    assert finished.err.count("trying again") == 1


def test_a_run_that_is_deleted_while_it_is_followed_is_no_wrong_input(kfp_api, luthier):
    kfp_api.states = [("RUNNING", one_task("RUNNING"))]
    original = kfp_api._run

    def deleting(identity):
        answer = original(identity)
        del kfp_api.kinds["runs"][identity]
        return answer

    kfp_api._run = deleting
    finished = luthier(*SUBMIT)
    assert finished.code == 1
    assert "not found" in finished.err and "somebody has deleted it since it was submitted (" in finished.err


def test_ctrl_c_leaves_the_run_going_and_says_how_to_follow_and_stop_it(kfp_api, luthier):
    kfp_api.states = [("RUNNING", one_task("RUNNING"))]
    command = [sys.executable, "-m", "components.cli", *SUBMIT]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=takes_interrupt,
    )
    look = ("GET", "/apis/v2beta1/runs/{run_id}")
    wait_until(lambda: look in kfp_api.calls, "it looks at the run", process=process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)

    run_id = kfp_api.made("runs")[0]["run_id"]
    assert process.returncode == 1
    last = stderr.splitlines()[-1]
    assert "the run continues" in last and f"--follow {run_id}" in last and f"--stop {run_id}" in last
    assert ("POST", "/apis/v2beta1/runs/{run_id}:terminate") not in kfp_api.calls
    assert luthier("submit", "--stop", run_id).code == 0
    assert "the run was stopped" in luthier("submit", "--follow", run_id).err


def test_a_step_that_cannot_start_says_why_while_it_waits(kfp_api, luthier):
    """Else a wrong image or a full cluster looks like a long step, until the step's timeout of hours."""
    waiting = one_task("PENDING")
    full = "0/1 nodes are available: {} Insufficient memory. preemption: 0/1 nodes are available"
    pull = 'Back-off pulling image "luthier-data:9": ErrImagePull: not found'
    looks = []
    for message in (
        f"Unschedulable: {full.format(1)}",
        f"Unschedulable: {full.format(2)}",
        f"ImagePullBackOff: {pull}",
    ):
        look = copy.deepcopy(waiting)
        pod = next(node for node in look.nodes.values() if node["displayName"] == "executor(0)")
        pod["message"] = message
        looks.append(("RUNNING", look))
    kfp_api.states = [*looks, ("RUNNING", waiting), ("SUCCEEDED", one_task())]
    finished = luthier(*SUBMIT)
    assert finished.code == 0, finished.err
    lines = [line.split("…", 1)[1].split(maxsplit=1) for line in finished.err.splitlines() if "…" in line]
    (first_task, unschedulable), (second_task, image) = lines
    assert first_task == second_task == "plan"
    assert unschedulable.startswith("Unschedulable: 0/1 nodes are available: 1 Insufficient memory")
    assert image.startswith('ImagePullBackOff: Back-off pulling image "luthier-data:9": ErrImagePull: not found')
