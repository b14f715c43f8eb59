"""Launchers that end before their Job: killed, terminated, interrupted. Each is a process."""

import os
import signal
import threading
import time
from contextlib import suppress

import pytest

from components.launch import labels
from components.launch.terminate import run_until_terminated
from tests.launch.api_rules import ROLE
from tests.launch.processes import Launcher
from tests.launch.test_launch import NAME


@pytest.fixture
def launch(arguments):
    launchers = []

    def start(*more):
        launchers.append(Launcher([*arguments, *more]))
        return launchers[-1]

    yield start
    for launcher in launchers:
        launcher.process.kill()
        launcher.end()


def test_killed_and_started_again_it_adopts_its_job(controllers, server, launch):
    first = launch()
    server.wait_until(lambda: controllers.workloads, "the Job is created")
    pod = controllers.workloads[0].pod(node="node-1").runs().says("step 1")
    first.wait_for("step 1")
    first.process.kill()
    first.end()
    assert labels.FOLLOWED_AT in controllers.workloads[0].job["metadata"]["annotations"]  # so `luthier jobs` finds it
    second = launch()
    second.wait_for(f"adopted Job {NAME}, which is the same training")
    second.wait_for("step 1")
    pod.says("step 2").ends(0)
    controllers.workloads[0].trained()
    controllers.workloads[0].complete()
    assert second.end() == 0, second.text
    assert second.text.count("step 2") == 1
    assert len(controllers.workloads) == 1
    assert server.count("create", "jobs") == 2  # the second one was told that there is one
    third = launch()
    assert third.end() == 0
    assert "trained already" in third.text
    assert server.count("create", "jobs") == 2


def test_terminated_it_suspends_its_job_and_the_next_one_resumes_it(controllers, server, launch):
    first = launch()
    server.wait_until(lambda: controllers.workloads, "the Job is created")
    workload = controllers.workloads[0]
    pod = workload.pod(node="node-1").runs()
    first.wait_for("runs on node node-1")
    reads = server.count("get", "jobs")
    first.process.terminate()
    assert first.end() == os.EX_TEMPFAIL, first.text
    assert f"Job {NAME} is suspended; the same command resumes it" in first.text
    # A step of Kubeflow has less than a second, so that nothing is asked before.
    assert (server.count("get", "jobs"), server.count("patch", "jobs")) == (reads, 1)
    assert "Traceback" not in first.text
    assert workload.job["spec"]["suspend"] is True
    pod.ends(75).removed()

    second = launch()
    second.wait_for("which its last launcher had suspended")
    server.wait_until(lambda: not workload.job["spec"]["suspend"], "the Job goes on")
    assert "luthier.dev/suspended-by" not in workload.job["metadata"]["annotations"]
    workload.pod(node="node-2").runs().ends(0)
    workload.trained()
    workload.complete()
    assert second.end() == 0, second.text
    assert len(controllers.workloads) == 1


# A pod gets SIGTERM from Argo's emissary and from the kubelet. The intervals end before, within and after the request.
INTERVALS_S = [float(text) for text in os.environ.get("LUTHIER_TEST_INTERVALS", "").split()] or [
    *(0.001, 0.003, 0.01, 0.02, 0.04, 0.07, 0.1, 0.13, 0.16, 0.2)
]


def test_a_second_sigterm_does_not_cut_the_first_short(controllers, server, launch, monkeypatch):
    monkeypatch.setattr(server, "patch", delayed(server.patch, 0.1))
    controllers.simulate = lambda workload: workload.pod(node="node-1").runs()
    launchers = [launch("--run", f"run-{index}") for index in range(len(INTERVALS_S))]
    for launcher in launchers:
        launcher.wait_for("runs on node node-1")
    for launcher, interval_s in zip(launchers, INTERVALS_S, strict=True):
        launcher.signal(signal.SIGTERM)
        time.sleep(interval_s)
        with suppress(ProcessLookupError):  # it has ended
            launcher.signal(signal.SIGTERM)
    assert [launcher.end() for launcher in launchers] == [os.EX_TEMPFAIL] * len(INTERVALS_S)
    suspended = [job["metadata"]["name"] for job in server.objects["jobs"].values() if job["spec"]["suspend"]]
    assert len(suspended) == len(INTERVALS_S)
    assert not [launcher.text for launcher in launchers if "Traceback" in launcher.text]


def test_a_second_ctrl_c_ends_it_at_once(controllers, server, launch, monkeypatch):
    is_released = threading.Event()
    monkeypatch.setattr(server, "patch", lambda *arguments: is_released.wait(20))
    controllers.simulate = lambda workload: workload.pod(node="node-1").runs()
    launcher = launch()
    launcher.wait_for("runs on node node-1")
    launcher.signal(signal.SIGINT)
    server.wait_until(lambda: server.count("patch", "jobs") > 0, "it asks to suspend the Job")
    launcher.signal(signal.SIGTERM)
    launcher.process.join(0.3)
    assert launcher.process.is_alive()
    launcher.signal(signal.SIGINT)
    assert launcher.end() == 1
    is_released.set()
    assert launcher.text.splitlines()[-1] == "luthier: stopped"


def test_a_server_that_does_not_answer_delays_the_end_for_a_limited_time(log_lines):
    before = signal.getsignal(signal.SIGTERM)
    is_released = threading.Event()
    try:
        with pytest.raises(SystemExit) as ended:
            run_until_terminated(lambda: signal.raise_signal(signal.SIGTERM), is_released.wait, limit_s=0.1)
    finally:
        is_released.set()
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == os.EX_TEMPFAIL
    assert log_lines.count("the Job was not stopped in time") == 1


def test_a_job_whose_creation_was_interrupted_is_suspended(server, launch):
    # It is created after the launcher has looked for it once.
    server.admission = lambda *_: server.wait_until(lambda: server.count("get", "jobs") > 0, "it looks for the Job")
    launcher = launch()
    server.wait_until(lambda: server.count("create", "jobs") > 0, "it asks to create the Job")
    launcher.process.terminate()
    assert launcher.end() == os.EX_TEMPFAIL
    assert server.read("jobs", NAME)["spec"]["suspend"] is True


def delayed(function, delay_s):
    def call(*arguments):
        time.sleep(delay_s)
        return function(*arguments)

    return call


def test_a_job_that_a_person_suspended_stays_suspended(controllers, server, launch):
    first = launch()
    server.wait_until(lambda: controllers.workloads, "the Job is created")
    controllers.workloads[0].suspend(True)
    first.wait_for("suspended; kubectl")
    first.process.terminate()
    assert first.end() == os.EX_TEMPFAIL
    second = launch()
    second.wait_for("suspended; kubectl")
    assert server.count("patch", "jobs") == 0


@pytest.mark.parametrize(
    ("options", "number", "logged", "is_there"),
    [
        (["--on-terminate", "delete"], signal.SIGTERM, "is deleted; the same command continues", False),
        (["--on-terminate", "leave"], signal.SIGINT, "continues; the same command follows it again", True),
        # Kueue would start it again.
        (["--queue", "gpus"], signal.SIGINT, "is deleted; the same command continues", False),
    ],
)
def test_on_terminate_decides_about_the_job(controllers, server, launch, options, number, logged, is_there):
    launcher = launch(*options)
    server.wait_until(lambda: controllers.workloads, "the Job is created")
    if "--queue" in options:
        controllers.workloads[0].suspend(False)
    controllers.workloads[0].pod(node="node-1").runs()
    launcher.wait_for("runs on node node-1")
    launcher.signal(number)
    assert launcher.end() == os.EX_TEMPFAIL, launcher.text
    assert logged in launcher.text
    if is_there:
        assert server.read("jobs", NAME)["spec"]["suspend"] is False
    else:
        server.wait_until(lambda: not server.objects["jobs"] and not server.objects["pods"], "both are gone")


def test_a_job_that_cannot_be_suspended_is_a_warning(controllers, server, launch):
    server.role = ROLE - {("patch", "jobs")}
    launcher = launch()
    server.wait_until(lambda: controllers.workloads, "the Job is created")
    launcher.wait_for("waits for a pod")
    launcher.process.terminate()
    assert launcher.end() == os.EX_TEMPFAIL
    assert "could not be stopped, so it continues: 'luthier:luthier-launcher' may not patch jobs" in launcher.text


def test_terminated_while_the_server_is_unavailable_it_ends(server, launch):
    server.fail("create", "jobs", 503, times=1000, retry_after=1)
    launcher = launch()
    server.wait_until(lambda: server.count("create", "jobs") > 0, "it tries to create the Job")
    launcher.process.terminate()
    assert launcher.end() == os.EX_TEMPFAIL
    assert "Traceback" not in launcher.text


def test_two_launchers_of_one_training_share_one_job(controllers, server, launch):
    both = [launch(), launch()]
    server.wait_until(lambda: controllers.workloads, "the Job is created")
    pod = controllers.workloads[0].pod(node="node-1").runs()
    for launcher in both:
        launcher.wait_for("runs on node node-1")
    both[0].process.terminate()
    both[1].wait_for("which its last launcher had suspended")
    server.wait_until(lambda: not controllers.workloads[0].job["spec"]["suspend"], "the other one lets it go on")
    pod.ends(0)
    controllers.workloads[0].trained()
    controllers.workloads[0].complete()
    assert both[0].end() == os.EX_TEMPFAIL
    assert both[1].end() == 0
    assert len(controllers.workloads) == 1
