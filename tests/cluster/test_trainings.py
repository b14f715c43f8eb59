"""Trainings as Jobs of a real cluster: to their end, and through what happens to Jobs."""

from __future__ import annotations

import subprocess

import pytest

from tests.cluster import overlay
from tests.cluster.cluster import GPU, has_condition
from tests.cluster.trainings import LONG, PULL_S, START_S, TRAIN_S, continues, replaced, running

pytestmark = pytest.mark.cluster


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
    cluster.cancel(START_S, training)
    out = "gs://luthier/workspace/runs/again/string-harmonic"
    arguments = [f"--data={data}", "--family=string", "--synth=harmonic", "--run=again", f"--out={out}"]
    second = cluster.create_job(overlay.job("launch", images.data, "launch", *arguments))
    cluster.wait_for_end(second, START_S)
    assert "trained already: string-harmonic" in cluster.job_log(second)
    assert cluster.job(training) is None


def test_a_pod_that_is_killed_is_replaced_and_continues_from_its_checkpoint(cluster, launched):
    _, training = launched("killed", "string", "harmonic", LONG)
    pod = running(cluster, training)
    cluster.kill(pod)
    assert continues(cluster, training, pod) > 0


def test_an_evicted_training_saves_its_state_and_continues(cluster, launched):
    launcher, training = launched("evicted", "string", "harmonic", LONG)
    pod = running(cluster, training)
    cluster.evict(pod)
    assert continues(cluster, training, pod) > 0
    assert not cluster.job(training)["status"].get("failed")  # the policy of the template ignores it
    cluster.wait_for_log(launcher, f"pod {pod} was evicted, as when a node is drained", START_S)


def test_a_launcher_that_is_killed_adopts_its_job(cluster, launched):
    launcher, training = launched("adopted", "string", "harmonic", LONG)
    running(cluster, training)
    before = cluster.job(training)
    (pod,) = cluster.pods(launcher)
    cluster.kill(pod["metadata"]["name"])
    replaced(cluster, launcher, pod["metadata"]["name"])
    cluster.wait_for_log(launcher, r"train string-harmonic: \d", TRAIN_S)
    after = cluster.job(training)
    assert before and after and after["metadata"]["uid"] == before["metadata"]["uid"]
    assert not after["spec"].get("suspend")


def test_a_suspended_training_frees_its_node_and_continues_when_resumed(cluster, launched):
    launcher, training = launched("suspended", "string", "harmonic", LONG)
    pod = running(cluster, training)
    cluster.suspend(training, True)
    cluster.wait("the suspended training has no pod", lambda: not cluster.pods_alive(training), START_S)
    job = cluster.job(training)
    assert job and has_condition(job, "Suspended")
    cluster.wait_for_log(launcher, "suspended; ", START_S)
    cluster.suspend(training, False)
    assert continues(cluster, training, pod) > 0
