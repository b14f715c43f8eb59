"""A cluster of 2 CPUs and 8 GiB: six trainings end there, although the pods that wait for them take a part of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from kfp import dsl

from pipelines.task_resources import waiting
from tests.cluster import overlay
from tests.cluster.cluster import Cluster
from tests.cluster.overlay import Images
from tests.cluster.trainings import PULL_S, START_S, TRAIN_S

pytestmark = pytest.mark.cluster

CPUS = 2
MEMORY_BYTES = 8 * 2**30


def _waiting_resources() -> dict[str, Any]:
    """Returns the resources that the pipeline gives to a step that waits for its training."""

    @dsl.component(base_image="python:3.11")
    def step():
        pass

    @dsl.pipeline(name="waiting")
    def pipeline():
        waiting(step(), hours=1.0)

    (executor,) = pipeline.pipeline_spec.deployment_spec["executors"].values()
    given = executor["container"]["resources"]
    requests = {"cpu": given["resourceCpuRequest"], "memory": given["resourceMemoryRequest"]}
    return {"requests": requests, "limits": {"memory": given["resourceMemoryLimit"]}}


@pytest.fixture
def small(cluster: Cluster, images: Images) -> Iterator[None]:
    """Takes what the node has beyond 2 CPUs and 8 GiB with pods that do nothing."""
    nodes = cluster.free()
    if len(nodes) != 1:
        pytest.skip(f"needs a cluster of one node, this one has {len(nodes)}")
    (free,) = nodes.values()
    if free["memory"] < MEMORY_BYTES:
        pytest.skip(f"the node has only {free['memory'] / 2**30:.1f} GiB free")
    requests = {"cpu": max(free["cpu"] - CPUS, 0), "memory": free["memory"] - MEMORY_BYTES}
    body = overlay.script(images.data, "luthier-data", "import time; time.sleep(1e6)")
    (container,) = body["spec"]["template"]["spec"]["containers"]
    container["resources"] = {"requests": {name: str(value) for name, value in requests.items()}}
    ballast = cluster.create_job(body)
    cluster.wait("the rest of the node is taken", lambda: cluster.pods_running(ballast), START_S, ballast)
    yield
    cluster.cancel(START_S, ballast)


def test_six_trainings_end_with_their_waiting_launchers(cluster, launched, small):
    resources = _waiting_resources()
    started = {
        f"{family}-{synth}": launched("small", family, synth, resources=resources)
        for family, synth in product(("string", "keyboard"), ("harmonic", "sinusoidal", "wavetable"))
    }
    for name, (launcher, training) in started.items():
        cluster.wait_for_end(training, PULL_S + 3 * TRAIN_S)
        cluster.wait_for_end(launcher, START_S)
        assert f"trained: {name}" in cluster.job_log(launcher)
    (restarts,) = {
        container["restartCount"]
        for launcher, _ in started.values()
        for pod in cluster.pods(launcher)
        for container in pod["status"]["containerStatuses"]
    }
    assert restarts == 0
