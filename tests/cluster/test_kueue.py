"""Trainings in a queue of Kueue: they wait, are preempted, paused and resumed, and go on where they stopped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from components.launch import labels
from components.launch.request import job_name
from tests.cluster import kueue
from tests.cluster.cluster import Cluster, has_condition
from tests.cluster.trainings import LONG, PULL_S, START_S, TRAIN_S, continues, running

pytestmark = pytest.mark.cluster

NORMAL = (f"--queue={kueue.QUEUE}", "--priority-class=luthier-training")
URGENT = (f"--queue={kueue.QUEUE}", "--priority-class=luthier-urgent")


@pytest.fixture(scope="module", autouse=True)
def queue(cluster: Cluster) -> Iterator[None]:
    if not kueue.is_installed(cluster):
        pytest.skip("the cluster has no Kueue")
    with kueue.installed(cluster):
        yield


def test_an_urgent_training_preempts_one_that_continues_afterwards(cluster, launched):
    launcher, training = launched("queue-1", "string", "harmonic", LONG, NORMAL)
    pod = running(cluster, training)
    waiting_launcher, waiting = launched("queue-2", "keyboard", "wavetable", (), NORMAL)
    cluster.wait_for_log(waiting_launcher, rf"queued in Kueue \(queue '{kueue.QUEUE}'\): .*insufficient", START_S)
    assert has_condition(cluster.job(waiting), "Suspended") and not cluster.pods(waiting)

    urgent_launcher, urgent = launched("queue-3", "keyboard", "harmonic", (), URGENT)
    job = cluster.job(urgent)
    assert job["metadata"]["labels"][labels.PRIORITY_CLASS] == "luthier-urgent"
    assert "priorityClassName" not in job["spec"]["template"]["spec"]
    assert kueue.workload_of(cluster, job)["spec"]["priority"] == 1000
    cluster.wait_for_log(launcher, r"(?s)runs on node.*queued in Kueue \(queue '\w+'\): .", START_S)
    cluster.wait_for_log(launcher, "stopped, with all its work saved", START_S)
    cluster.wait_for_end(urgent, PULL_S + TRAIN_S)
    cluster.wait_for_end(urgent_launcher, START_S)
    assert "trained: keyboard-harmonic" in cluster.job_log(urgent_launcher)

    # Which of the two Kueue starts next is its business; the other one comes after it at the latest.
    assert continues(cluster, training, pod, PULL_S + TRAIN_S) > 0


def test_a_training_is_paused_and_resumed_by_its_workload_and_stopped_by_its_launcher(cluster, launched):
    launcher, training = launched("queue-4", "string", "harmonic", LONG, NORMAL)
    pod = running(cluster, training)
    kueue.set_active(cluster, cluster.job(training), False)
    cluster.wait("the paused training has no pod", lambda: not cluster.pods_alive(training), START_S)
    cluster.wait_for_log(launcher, r"queued in Kueue \(queue '\w+'\): .*deactivated", START_S)
    kueue.set_active(cluster, cluster.job(training), True)
    assert continues(cluster, training, pod) > 0
    cluster.cancel(START_S, launcher)  # SIGTERM
    cluster.wait(f"Job {training} is gone", lambda: cluster.job(training) is None, START_S)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--queue=gone",), "has no LocalQueue 'gone'; it has luthier"),
        ((f"--queue={kueue.QUEUE}", "--priority-class=gone"), "the cluster has no WorkloadPriorityClass 'gone'"),
        (("--priority-class=luthier-urgent",), "no PriorityClass"),
    ],
)
def test_a_queue_or_class_that_does_not_exist_is_one_line(cluster, launched, options, expected):
    launcher = launched.launcher([*launched.arguments("no-class", "string", "harmonic"), *options], retries=0)
    cluster.wait("the launcher ends", lambda: cluster.is_failed(launcher), START_S)
    (pod,) = cluster.pods(launcher)
    (container,) = pod["status"]["containerStatuses"]
    assert container["state"]["terminated"]["exitCode"] == 2
    last = cluster.job_log(launcher).splitlines()[-1]
    assert last.startswith("luthier: ") and expected in last, cluster.job_log(launcher)
    assert cluster.job(job_name("no-class", "string", "harmonic")) is None
