"""A launcher notes in its Job that it follows it; `luthier jobs` finds the Jobs whose launcher is gone."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from components.kubernetes.connection import connect
from components.launch import followed_at, labels
from components.launch.jobs import list_jobs
from tests.launch.api_rules import ROLE
from tests.launch.test_launch import NAME, trains


def ago(**duration):
    return (datetime.now(UTC) - timedelta(**duration)).strftime("%Y-%m-%dT%H:%M:%SZ")


def annotate(workload, text):
    workload.change(lambda job: job["metadata"]["annotations"].update({labels.FOLLOWED_AT: text}))


def annotation(workload):
    return workload.job["metadata"]["annotations"].get(labels.FOLLOWED_AT)


def renewals(server):
    """How often a Job was changed. In these tests, only renewals change one."""
    return server.count("patch", "jobs")


def test_it_is_renewed_while_the_job_is_followed(controllers, server, log_lines, luthier, arguments, timing):
    timing(renew_s=0.05)

    def simulate(workload):
        pod = workload.pod(node="node-1").runs()
        log_lines.wait("runs on node node-1")
        server.wait_until(lambda: renewals(server) > 2, "it is renewed")
        annotate(workload, ago(hours=1))
        server.wait_until(lambda: annotation(workload) > ago(minutes=1), "it is renewed again")
        pod.ends(0)
        workload.trained()
        workload.complete()

    controllers.simulate = simulate
    assert luthier(*arguments).code == 0
    assert log_lines.count("runs on node node-1") == 1
    so_far = renewals(server)
    assert luthier(*arguments).code == 0  # trained already
    assert renewals(server) == so_far


def test_the_run_that_follows_a_job_is_noted_and_the_next_follower_takes_over(controllers, luthier, arguments):
    luthier(*arguments, "--detach")
    workload, api = controllers.workloads[0], connect()
    for run in ("run-1", "run-2", ""):

        def is_noted(run=run):
            return annotation(workload) and followed_at.followed_by(workload.job) == run

        with followed_at.renewed(api, workload.job, every_s=3600.0, kubeflow_run=run):
            controllers.server.wait_until(is_noted, "it is noted")
    assert labels.FOLLOWED_BY not in workload.job["metadata"]["annotations"]


def test_a_renewal_is_no_change_of_the_job(controllers, luthier, arguments):
    luthier(*arguments, "--detach")
    workload = controllers.workloads[0]
    before = workload.job
    annotate(workload, ago(minutes=1))
    after = workload.job
    assert after != before
    assert labels.spec_hash_of(after) == labels.spec_hash_of(before)
    assert followed_at.without(after) == followed_at.without(before)
    workload.suspend(True)
    assert followed_at.without(workload.job) != followed_at.without(before)


@pytest.mark.parametrize("ahead_s", [-900.0, 900.0])
def test_the_time_is_that_of_the_server_and_not_of_this_machine(controllers, server, luthier, arguments, ahead_s):
    """A laptop that has slept may be minutes behind: its Jobs would look unattended, again and again."""
    server.ahead_s = ahead_s

    def simulate(workload):
        pod = workload.pod(node="node-1").runs()
        theirs = datetime.now(UTC) + timedelta(seconds=ahead_s)

        def is_noted():
            return abs(datetime.fromisoformat(annotation(workload)) - theirs) < timedelta(minutes=2)

        server.wait_until(is_noted, "it is noted with the server's time")
        (listed,) = list_jobs(connect())
        assert not listed.is_unattended and listed.followed_s is not None and abs(listed.followed_s) < 120
        pod.ends(0)
        workload.trained()
        workload.complete()

    controllers.simulate = simulate
    assert luthier(*arguments).code == 0


def test_an_adopted_job_is_noted_as_followed_at_once(controllers, server, luthier, arguments):
    luthier(*arguments, "--detach")
    workload = controllers.workloads[0]
    annotate(workload, ago(hours=1))

    def ends():
        workload.pod(node="node-1").runs().ends(0)
        workload.trained()
        workload.complete()

    controllers.later(lambda: server.wait_until(lambda: renewals(server) == 1, "it is renewed"), then=ends)
    assert luthier(*arguments).code == 0
    assert annotation(workload) > ago(minutes=1)


@pytest.mark.parametrize("options", [["--detach"], ["--on-terminate", "leave"]])
def test_a_job_that_needs_no_launcher_is_not_noted(controllers, server, luthier, arguments, options):
    controllers.simulate = trains()
    luthier(*arguments, *options)
    assert annotation(controllers.workloads[0]) is None


def test_a_job_that_is_detached_later_loses_the_note(controllers, luthier, arguments):
    luthier(*arguments, "--detach")
    annotate(controllers.workloads[0], ago(hours=1))
    luthier(*arguments, "--detach")
    assert annotation(controllers.workloads[0]) is None


def test_a_renewal_that_is_refused_is_one_warning(controllers, server, log_lines, luthier, arguments, timing):
    timing(renew_s=0.02)
    server.role = ROLE - {("patch", "jobs")}

    def simulate(workload):
        server.wait_until(lambda: renewals(server) > 2, "it is tried")
        trains()(workload)

    controllers.simulate = simulate
    assert luthier(*arguments).code == 0
    assert log_lines.count(f"Job {NAME} may look unattended: ") == 1


def test_jobs_are_listed_and_unattended_ones_suspended(controllers, server, luthier, arguments):
    words = luthier("jobs")
    assert (words.code, words.out) == (0, "no trainings in namespace 'luthier'\n")
    for run in ("killed", "moved", "alone", "paused", "queued"):
        more = ["--queue", "gpus"] if run == "queued" else []
        luthier(*arguments, "--run", run, *more, "--detach")
    by_run = {workload.job["metadata"]["labels"][labels.RUN]: workload for workload in controllers.workloads}
    for run, minutes in {"killed": 43, "moved": 3, "paused": 300, "queued": 11}.items():
        annotate(by_run[run], ago(minutes=minutes))
    by_run["killed"].pod(node="node-1").runs()
    by_run["paused"].suspend(True)
    by_run["queued"].suspend(False)

    rows = [line.split(maxsplit=3) for line in luthier("jobs").out.splitlines()]
    assert rows[0] == ["NAME", "STATE", "AGE", "FOLLOWED"]
    assert {name: (state, followed) for name, state, _, followed in rows[1:]} == {
        "luthier-alone-string-harmonic": ("Pending", "-"),
        "luthier-killed-string-harmonic": ("Running", "43m ago (unattended)"),
        "luthier-moved-string-harmonic": ("Pending", "3m ago"),
        "luthier-paused-string-harmonic": ("Suspended", "5h ago"),
        "luthier-queued-string-harmonic": ("Pending", "11m ago (unattended)"),
    }
    (moved,) = json.loads(luthier("jobs", "--run", "moved", "--json").out)
    assert (moved["name"], moved["state"], moved["unattended"]) == ("luthier-moved-string-harmonic", "Pending", False)
    assert moved["training_uri"].endswith("string-harmonic") and 170 < moved["followed_s"] < 300

    stopped = [line for line in luthier("jobs", "--suspend-unattended").out.splitlines() if line.startswith("stopped")]
    assert stopped == ["stopped: luthier-killed-string-harmonic", "stopped: luthier-queued-string-harmonic"]
    assert by_run["killed"].job["spec"]["suspend"] is True
    assert by_run["killed"].job["metadata"]["annotations"][labels.SUSPENDED_BY] == labels.LAUNCHER
    assert by_run["moved"].job["spec"]["suspend"] is False
    server.wait_until(lambda: by_run["queued"].job is None, "Kueue would resume it, so it is deleted")
    assert "(unattended)" not in luthier("jobs").out


def test_what_the_cluster_refuses_is_one_line(server, refused):
    server.role = ROLE - {("list", "jobs")}
    assert "may not list jobs in namespace 'luthier'" in refused("jobs")
