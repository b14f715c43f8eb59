"""Launchers that end before their Job, on a real cluster: terminated twice, killed, and too late."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.core.errors import EXIT_AGAIN
from components.launch import labels
from components.launch.followed_at import UNATTENDED_S
from components.launch.request import job_name
from tests.cluster import overlay
from tests.cluster.cluster import Cluster, has_condition
from tests.cluster.overlay import Images
from tests.cluster.trainings import LONG, PULL_S, START_S, TRAIN_S, Launches, continues, running

pytestmark = pytest.mark.cluster

LAUNCHERS = 50
AT_ONCE = 10
INTERVALS_S = [0.001 + 0.199 * index / (LAUNCHERS - 1) for index in range(LAUNCHERS)]


def _signalled(cluster: Cluster, images: Images, plans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Runs launchers in one pod that sends them signals; returns how each ended."""
    code = (Path(__file__).parent / "signals.py").read_text()
    plan = json.dumps({"at_once": AT_ONCE, "launchers": plans})
    name = cluster.create_job(overlay.script(images.data, "luthier-launcher", code, plan, memory="4Gi"))
    cluster.wait_for_end(name, PULL_S)
    ended = [json.loads(line[6:]) for line in cluster.job_log(name).splitlines() if line.startswith("ended ")]
    assert len(ended) == len(plans)
    return ended


def _is_left_suspended(job: dict[str, Any] | None) -> bool:
    annotations = (job or {}).get("metadata", {}).get("annotations", {})
    return bool(job) and job["spec"].get("suspend") is True and labels.SUSPENDED_BY in annotations


def test_launchers_that_are_terminated_twice_suspend_their_jobs(cluster, images, launched: Launches):
    """No node has so many GPUs, so the Jobs take nothing from the cluster."""
    plans = []
    for index, interval_s in enumerate(INTERVALS_S):
        arguments = [*launched.arguments(f"stop-{index}", "string", "harmonic"), "--gpus=1000"]
        signals = [["SIGTERM", 0], ["SIGTERM", interval_s]]
        plans.append({"arguments": arguments, "wait": "no node can take its pod", "signals": signals})
        launched.cancels(job_name(f"stop-{index}", "string", "harmonic"))
    ended = _signalled(cluster, images, plans)
    assert [each["code"] for each in ended] == [EXIT_AGAIN] * LAUNCHERS, ended
    assert not [each["output"] for each in ended if "Traceback" in each["output"]]
    jobs = [cluster.job(job_name(f"stop-{index}", "string", "harmonic")) for index in range(LAUNCHERS)]
    assert sum(_is_left_suspended(job) for job in jobs) == LAUNCHERS


def test_launchers_that_are_killed_half_a_second_after_their_sigterm_suspend_their_jobs(cluster, images, launched):
    """So it is in a step of Kubeflow Pipelines, where Argo's emissary ends at the latest a second after the signal."""
    runs = [f"step-{index}" for index in range(5)]
    plans = []
    for run in runs:
        arguments = [*launched.arguments(run, "string", "harmonic"), "--gpus=1000"]
        signals = [["SIGTERM", 0], ["SIGKILL", 0.5]]
        plans.append({"arguments": arguments, "wait": "no node can take its pod", "signals": signals})
        launched.cancels(job_name(run, "string", "harmonic"))
    _signalled(cluster, images, plans)
    assert all(_is_left_suspended(cluster.job(job_name(run, "string", "harmonic"))) for run in runs)


def test_the_job_of_a_killed_launcher_is_found_suspended_and_adopted(cluster, images, launched: Launches):
    training = job_name("killed-launcher", "string", "harmonic")
    launched.cancels(training)
    arguments = launched.arguments("killed-launcher", "string", "harmonic", LONG)
    plan = {"arguments": arguments, "wait": "train string-harmonic: ", "signals": [["SIGKILL", 0]]}
    (ended,) = _signalled(cluster, images, [plan])
    assert ended["code"] == -9, ended
    pod = running(cluster, training)  # nobody follows it, and it goes on
    assert "(unattended)" not in _luthier_jobs(cluster, images)

    # As if the launcher had been gone for so long.
    last = datetime.now(UTC) - timedelta(seconds=UNATTENDED_S + 60)
    cluster.annotate(training, {labels.FOLLOWED_AT: last.strftime("%Y-%m-%dT%H:%M:%SZ")})
    (line,) = [line for line in _luthier_jobs(cluster, images).splitlines() if "(unattended)" in line]
    assert line.startswith(training) and "Running" in line
    cluster.kubectl("create", "job", "unattended", "--from=cronjob/luthier-unattended")
    cluster.wait_for_end("unattended", START_S)
    assert f"stopped: {training}" in cluster.job_log("unattended")
    assert _is_left_suspended(cluster.job(training))
    cluster.wait("the suspended training has no pod", lambda: not cluster.pods_alive(training), START_S)

    launcher, _ = launched("killed-launcher", "string", "harmonic", LONG)
    cluster.wait_for_log(launcher, f"resumed Job {training}", START_S)
    assert continues(cluster, training, pod) > 0
    assert "adopted Job" in cluster.job_log(launcher)


def test_the_suspended_job_of_a_finished_training_goes_away_at_the_next_launch(cluster, images, launched: Launches):
    launcher, training = launched("finished", "string", "harmonic")
    cluster.wait_for_end(training, PULL_S + TRAIN_S)
    cluster.wait_for_end(launcher, START_S)
    cluster.cancel(START_S, training)
    # A launcher that is terminated in the last second of its training leaves this.
    arguments = launched.arguments("finished", "string", "harmonic")
    printer = launched.launcher([*arguments, "--dry-run"])
    cluster.wait_for_end(printer, START_S)
    left = yaml.safe_load(cluster.job_log(printer))
    left["spec"]["suspend"] = True
    left["metadata"]["annotations"][labels.SUSPENDED_BY] = labels.LAUNCHER
    cluster.create_job(left)
    cluster.wait("it is suspended", lambda: has_condition(cluster.job(training), "Suspended"), START_S)
    second = launched.launcher(arguments)
    cluster.wait_for_end(second, START_S)
    assert "trained already: string-harmonic" in cluster.job_log(second)
    cluster.wait(f"Job {training} is gone", lambda: cluster.job(training) is None, START_S)


def _luthier_jobs(cluster: Cluster, images: Images) -> str:
    name = cluster.create_job(overlay.job("launch", images.data, "jobs"))
    cluster.wait_for_end(name, START_S)
    return cluster.job_log(name)
