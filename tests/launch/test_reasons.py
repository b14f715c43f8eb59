"""Reasons that other software of a cluster gives: Kueue, quotas, webhooks and their sidecars, kubelets, runtimes.

The texts are those of the sources that each test names.
"""

import hashlib

import pytest

from tests.launch.test_job_state import ends_well
from tests.launch.test_launch import NAME

LONG_RUN = "a" * 35  # with it the Job's name has 59 characters, the most there are
IN_UTC = "2099-01-01T00:00:00.123456Z"


def short_name(job):
    """The name of a Job's Workload with Kueue's ShortWorkloadNames (0.17, pkg/controller/jobframework)."""
    name, uid = job["metadata"]["name"], job["metadata"]["uid"]
    digest = hashlib.sha1(f"Job\nbatch\n{name}\n{uid}".encode()).hexdigest()
    return f"{f'job-{name}'[:57]}-{digest[:5]}"


@pytest.mark.parametrize("is_short", [False, True])
def test_kueue_names_the_cause_of_waiting(controllers, log_lines, luthier, arguments, is_short):
    """Kueue 0.20 (pkg/scheduler/scheduler.go) has the cause as the event's reason, and writes events.k8s.io/v1."""

    def simulate(workload):
        text = "insufficient unused quota for nvidia.com/gpu in flavor luthier-spot, 1 more needed"
        ours = short_name(workload.job) if is_short else f"job-{workload.name}-12345"
        assert len(ours) == 63 or not is_short
        another = f"{ours[:-1]}x" if is_short else "job-other-12345"
        about = {"kind": "Workload", "lastTimestamp": None, "eventTime": IN_UTC}
        workload.event("WaitingForQuota", "of another one", name=another, uid="another", **about)
        workload.event("WaitingForQuota", text, name=ours, uid="other", **about)
        log_lines.wait(f"queued in Kueue (queue 'gpus'): {text}")
        workload.suspend(False)
        ends_well(workload, workload.pod(node="node-1").runs())

    controllers.simulate = simulate
    run = [LONG_RUN if word == "smoke-1" else word for word in arguments]
    assert luthier(*(run if is_short else arguments), "--queue", "gpus").code == 0
    assert log_lines.count("of another one") == 0


def test_a_quota_whose_use_is_not_counted_yet_is_waited_for(controllers, log_lines, luthier, arguments):
    """apiserver/pkg/admission/plugin/resourcequota/controller.go: a quota that was created a moment ago."""

    def simulate(workload):
        text = 'Error creating: pods "x-1" is forbidden: status unknown for quota: gpus, resources: requests.cpu'
        workload.event("FailedCreate", text)
        log_lines.wait("its pod is refused: status unknown for quota: gpus")
        controllers.server.wait_until(lambda: controllers.server.count("list", "events") > 3, "it looks again")
        ends_well(workload, workload.pod(node="node-1").runs())

    controllers.simulate = simulate
    assert luthier(*arguments).code == 0


def test_why_it_cannot_run_is_told_also_where_the_job_may_not_be_deleted(
    controllers, server, refused_after_creation, arguments
):
    server.role.discard(("delete", "jobs"))
    text = 'Error creating: pods "x-1" is forbidden: maximum memory usage per Container is 8Gi, but limit is 16Gi'
    controllers.simulate = lambda workload: workload.event("FailedCreate", text)
    line = refused_after_creation(*arguments)
    assert line.endswith("its pod is refused: maximum memory usage per Container is 8Gi, but limit is 16Gi")
    assert f"Job {NAME} cannot run, and could not be deleted ('luthier:luthier-launcher' may not delete jobs" in line


def test_a_node_short_of_a_resource_names_it(controllers, log_lines, luthier, arguments):
    """kubelet/eviction/helpers.go: the message of the status, beside the condition without one."""
    text = (
        "The node was low on resource: ephemeral-storage. Threshold quantity: 8Gi, available: 7Gi. "
        "Container trainer was using 30Gi, request is 4Gi, has larger consumption of ephemeral-storage. "
    )

    def simulate(workload):
        first = workload.pod(node="node-1").runs()
        log_lines.wait("runs on node node-1")
        first.change(lambda pod: pod["status"].update(reason="Evicted", message=text))
        first.condition("DisruptionTarget", "True", "TerminationByKubelet").ends(137)
        log_lines.wait("was ended by its node (The node was low on resource: ephemeral-storage. Threshold")
        ends_well(workload, workload.pod(node="node-2").runs())

    controllers.simulate = simulate
    assert luthier(*arguments).code == 0
    assert log_lines.count("larger consumption of ephemeral-storage); the training continues from its checkpoint") == 1


def test_a_sidecar_that_keeps_the_pod_is_named(controllers, luthier, arguments, timing):
    """Istio's webhook adds a container that does not end by itself."""
    timing(terminating_s=0.3)

    def simulate(workload):
        pod = workload.pod(node="node-1").runs()
        ended = {"name": "trainer", "image": "trainer:1", "state": {"terminated": {"exitCode": 0}}}
        proxy = {"name": "istio-proxy", "image": "proxyv2", "state": {"running": {}}}
        pod.change(lambda pod: pod["status"].update(containerStatuses=[ended, proxy]))

    controllers.simulate = simulate
    finished = luthier(*arguments)
    assert finished.code == 1
    assert "has ended its training, and still runs: istio-proxy" in finished.err
    assert "and its container istio-proxy has been running for" in finished.err.splitlines()[-1]
    assert "check that node" not in finished.err


def test_a_training_that_is_done_is_used_though_its_pod_does_not_end(controllers, luthier, arguments, timing):
    timing(terminating_s=0.3)

    def simulate(workload):
        workload.trained()
        workload.pod(node="node-1").runs().ends(0)  # and no controller completes the Job

    controllers.simulate = simulate
    finished = luthier(*arguments)
    assert finished.code == 0, finished.err
    assert "is trained, but Job" in finished.err


@pytest.mark.parametrize(
    "text",
    [
        'rpc error: code = NotFound desc = failed to pull and unpack image "t:1": no match for platform in manifest: '
        "not found",
        "rpc error: code = Unknown desc = no matching manifest for linux/arm64/v8 in the manifest list entries",
        'rpc error: code = Unknown desc = no image found in image index for architecture "arm64", OS linux',
    ],
    ids=["containerd", "Docker", "CRI-O"],
)
def test_an_image_for_another_architecture(controllers, refused_after_creation, arguments, text):
    controllers.simulate = lambda workload: workload.pod(node="arm-1").waits("ErrImagePull", text)
    assert "set nodeSelector kubernetes.io/arch" in refused_after_creation(*arguments)
