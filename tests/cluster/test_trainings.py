"""Trainings as Jobs of a real cluster: to their end, and through what happens to Jobs."""

from __future__ import annotations

import subprocess

import pytest

from components.launch.request import job_name
from tests.cluster import overlay
from tests.cluster.cluster import GPU, Cluster, has_condition
from tests.cluster.conftest import PULL_S, START_S

pytestmark = pytest.mark.cluster

TRAIN_S = 1200.0
# Long enough to be disturbed on any machine; it is cancelled as soon as the test has seen enough.
LONG = ["train.max_steps = 1000000", "train.checkpoint_every_s = 2"]


@pytest.fixture
def launched(cluster, images, data):
    """Launches trainings from a pod in the cluster; returns the names of the launcher's Job and the training's.

    After the test it cancels them: the launchers first, or they would launch their trainings again.
    """
    jobs: list[list[str]] = [[], []]

    def launch(run: str, family: str, synth: str, bindings: list[str] | None = None) -> tuple[str, str]:
        out = f"gs://luthier/workspace/runs/{run}/{family}-{synth}"
        arguments = [f"--data={data}", f"--family={family}", f"--synth={synth}", "--preset=smoke"]
        arguments += [f"--run={run}", f"--out={out}", *(f"--set={binding}" for binding in bindings or [])]
        launcher = cluster.create_job(overlay.job("launch", images.data, "launch", *arguments))
        training = job_name(run, family, synth)
        jobs[0].append(launcher)
        jobs[1].append(training)
        cluster.wait(
            f"the launcher creates Job {training}",
            lambda: cluster.job(training),
            START_S,
            launcher,
        )
        return launcher, training

    yield launch
    for names in jobs:
        for name in names:
            cluster.cancel(name, START_S)


def _running(cluster: Cluster, training: str) -> str:
    """Waits until a training has told of its steps twice, with checkpoints in between; returns the name of its pod."""
    cluster.wait_for_log(training, r"(?s)train string-harmonic: \d.*train string-harmonic: \d", PULL_S)
    return cluster.pods(training)[-1]["metadata"]["name"]


def _replaced(cluster: Cluster, job: str, earlier: str) -> None:
    cluster.wait(
        f"Job {job} has another pod than {earlier}",
        lambda: cluster.pods(job) and cluster.pods(job)[-1]["metadata"]["name"] != earlier,
        START_S,
        job,
    )


def _continues(cluster: Cluster, training: str, earlier: str) -> int:
    """Waits until another pod resumes a training; returns the step that it resumes at."""
    _replaced(cluster, training, earlier)
    found = cluster.wait_for_log(training, r"string-harmonic resumes at step (\d+)", START_S)
    return int(found[1])


def test_two_trainings_side_by_side_to_their_end(cluster, launched):
    pairs = [("string", "harmonic"), ("keyboard", "wavetable")]
    started = {pair: launched("ends", *pair) for pair in pairs}
    for (family, synth), (launcher, training) in started.items():
        cluster.wait_for_end(training, PULL_S + TRAIN_S)
        cluster.wait_for_end(launcher, START_S)
        assert f"trained: {family}-{synth}" in cluster.job_log(launcher)
        labels = cluster.job(training)["metadata"]["labels"]
        assert (labels["luthier.dev/run"], labels["luthier.dev/family"], labels["luthier.dev/synth"]) == (
            "ends",
            family,
            synth,
        )
        (pod,) = cluster.pods(training)
        (container,) = pod["spec"]["containers"]
        assert container["resources"]["limits"].get(GPU) == ("1" if cluster.has_gpus() else None)
        assert not any("kube-api-access" in mount["name"] for mount in container["volumeMounts"])
    columns = ["-L", "luthier.dev/family,luthier.dev/synth", "-l", "luthier.dev/run=ends", "--no-headers"]
    listed = subprocess.run(
        ["kubectl", "-n", cluster.namespace, "get", "jobs", *columns], capture_output=True, text=True, check=True
    )
    assert {tuple(line.split()[-2:]) for line in listed.stdout.splitlines()} == set(pairs)


def test_launched_again_it_is_found_to_be_trained(cluster, images, data, launched):
    """Relies on nothing but the bucket: the Job is gone."""
    launcher, training = launched("again", "string", "harmonic")
    cluster.wait_for_end(launcher, PULL_S + TRAIN_S)
    cluster.cancel(training, START_S)
    out = "gs://luthier/workspace/runs/again/string-harmonic"
    arguments = [f"--data={data}", "--family=string", "--synth=harmonic", "--run=again", f"--out={out}"]
    second = cluster.create_job(overlay.job("launch", images.data, "launch", *arguments))
    cluster.wait_for_end(second, START_S)
    assert "trained already: string-harmonic" in cluster.job_log(second)
    assert cluster.job(training) is None


def test_a_pod_that_is_killed_is_replaced_and_continues_from_its_checkpoint(cluster, launched):
    _, training = launched("killed", "string", "harmonic", LONG)
    pod = _running(cluster, training)
    cluster.kill(pod)
    assert _continues(cluster, training, pod) > 0


def test_a_launcher_that_is_killed_adopts_its_job(cluster, launched):
    launcher, training = launched("adopted", "string", "harmonic", LONG)
    _running(cluster, training)
    before = cluster.job(training)
    (pod,) = cluster.pods(launcher)
    cluster.kill(pod["metadata"]["name"])
    _replaced(cluster, launcher, pod["metadata"]["name"])
    cluster.wait_for_log(launcher, r"train string-harmonic: \d", TRAIN_S)
    after = cluster.job(training)
    assert before and after and after["metadata"]["uid"] == before["metadata"]["uid"]
    assert not after["spec"].get("suspend")


def test_a_suspended_training_frees_its_node_and_continues_when_resumed(cluster, launched):
    launcher, training = launched("suspended", "string", "harmonic", LONG)
    pod = _running(cluster, training)
    cluster.suspend(training, True)
    cluster.wait("the suspended training has no pod", lambda: not _alive(cluster, training), START_S)
    job = cluster.job(training)
    assert job and has_condition(job, "Suspended")
    cluster.wait_for_log(launcher, "suspended; ", START_S)
    cluster.suspend(training, False)
    assert _continues(cluster, training, pod) > 0


def _alive(cluster: Cluster, training: str) -> list[str]:
    phases = {pod["metadata"]["name"]: pod["status"].get("phase") for pod in cluster.pods(training)}
    return [name for name, phase in phases.items() if phase in ("Pending", "Running")]
