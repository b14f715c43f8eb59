"""The states of a Job and their reasons, each logged once, and the errors of a Job that fails or cannot run."""

import re
import time

import pytest

NAME = "luthier-smoke-1-string-harmonic"
NO_GPU = (
    "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available: 3 No preemption "
    "victims found for incoming pod."
)
PULL = 'rpc error: code = NotFound desc = failed to resolve reference "trainer:1": trainer:1: not found'
QUOTA = (
    'Error creating: pods "x-1" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, '
    "used: requests.nvidia.com/gpu=2, limited: requests.nvidia.com/gpu={limit}"
)


def ends_well(workload, pod):
    pod.ends(0)
    workload.trained()
    workload.complete()


def test_pending_running_killed_and_preempted(controllers, log_lines, luthier, arguments):
    def simulate(workload):
        first = workload.pod().unschedulable(NO_GPU)
        log_lines.wait("no node can take its pod: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu")
        first.unschedulable(NO_GPU.replace("No preemption", "no preemption"))  # the same, told again
        first.placed("node-1").waits("ErrImagePull", "dial tcp: i/o timeout")
        log_lines.wait("its image 'trainer:1' cannot be pulled: dial tcp: i/o timeout")
        first.waits("ImagePullBackOff", 'Back-off pulling image "trainer:1": ErrImagePull: dial tcp: i/o timeout')
        first.runs()
        log_lines.wait("runs on node node-1")
        first.ends(137, "OOMKilled")
        log_lines.wait("killed for memory: the limit of container 'trainer' is 4Gi; raise resources.limits.memory")
        second = workload.pod(node="node-2").runs()
        log_lines.wait("runs on node node-2")
        second.condition("DisruptionTarget", "True", "PreemptionByScheduler", "preempted").ends(143)
        log_lines.wait("preempted by a pod of higher priority; the training continues from its checkpoint")
        second.removed()
        third = workload.pod(node="node-3").runs()
        log_lines.wait("runs on node node-3")
        ends_well(workload, third)

    controllers.simulate = simulate
    assert luthier(*arguments).code == 0
    for part in ("no node can take", "cannot be pulled", "killed for memory", "preempted", "runs on node node-1"):
        assert log_lines.count(part) == 1, log_lines.texts


def test_queued_by_kueue(controllers, log_lines, luthier, arguments):
    def simulate(workload):
        assert workload.job["spec"]["suspend"] is True
        log_lines.wait("queued in Kueue (queue 'gpus')")
        message = "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu, 1 more needed"
        later = {"lastTimestamp": "2099-01-01T00:00:00Z"}
        workload.event("Pending", "not about this one", kind="Workload", name="job-other-12345", uid="another", **later)
        workload.event("Pending", message, kind="Workload", name=f"job-{NAME}-12345", uid="other")
        log_lines.wait(f"queued in Kueue (queue 'gpus'): {message}")
        workload.suspend(False)
        pod = workload.pod(node="node-1").runs()
        log_lines.wait("runs on node node-1")
        workload.suspend(True)
        pod.ends(75).removed()
        workload.event("Stopped", "The workload is deactivated", lastTimestamp="2098-01-01T00:00:00Z")
        log_lines.wait("queued in Kueue (queue 'gpus'): The workload is deactivated")
        workload.suspend(False)
        ends_well(workload, workload.pod(node="node-2").runs())

    controllers.simulate = simulate
    assert luthier(*arguments, "--queue", "gpus").code == 0
    assert log_lines.count("not about this one") == 0


def test_suspended_by_a_person_it_waits_until_it_is_resumed(controllers, server, log_lines, luthier, arguments):
    def simulate(workload):
        pod = workload.pod(node="node-1").runs()
        log_lines.wait("runs on node node-1")
        workload.suspend(True)
        log_lines.wait(f'kubectl -n luthier patch job {NAME} -p \'{{"spec":{{"suspend":false}}}}\' resumes it')
        pod.ends(75).removed()
        workload.suspend(False)
        ends_well(workload, workload.pod(node="node-2").runs())

    controllers.simulate = simulate
    assert luthier(*arguments).code == 0
    assert server.count("patch", "jobs") == 0  # what a person paused is not the launcher's to resume


def test_a_quota_that_is_used_up_is_waited_for(controllers, log_lines, luthier, arguments):
    def simulate(workload):
        workload.event("FailedCreate", QUOTA.format(limit=2))
        log_lines.wait("quota 'gpus' is used up: its pod requests requests.nvidia.com/gpu=1, used is")
        ends_well(workload, workload.pod(node="node-1").runs())

    controllers.simulate = simulate
    assert luthier(*arguments).code == 0


def test_refusals_before_the_last_pod_are_ignored(controllers, server, log_lines, luthier, arguments):
    def simulate(workload):
        workload.event("FailedCreate", QUOTA.format(limit=2), lastTimestamp="2026-01-01T00:00:00Z")
        log_lines.wait("quota 'gpus' is used up")
        workload.pod(node="node-1").runs().ends(75).change(
            lambda pod: pod["metadata"].update(creationTimestamp="2026-01-01T00:00:01Z")
        )
        looks = server.count("list", "events")
        server.wait_until(lambda: server.count("list", "events") > looks + 1, "it looks again")
        ends_well(workload, workload.pod(node="node-1").runs())

    controllers.simulate = simulate
    assert luthier(*arguments).code == 0
    assert log_lines.count("quota 'gpus' is used up") == 1


def test_a_webhook_that_does_not_answer_is_waited_for(controllers, log_lines, luthier, arguments):
    def simulate(workload):
        message = 'Error creating: Internal error occurred: failed calling webhook "x": connection refused'
        workload.event("FailedCreate", message)
        log_lines.wait("its pod is refused: Error creating: Internal error occurred")
        time.sleep(0.3)  # longer than a permanent reason may hold
        ends_well(workload, workload.pod(node="node-1").runs())

    controllers.simulate = simulate
    assert luthier(*arguments).code == 0


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (QUOTA.format(limit=0), "quota 'gpus' is too small: its pod requests requests.nvidia.com/gpu=1"),
        (
            'Error creating: pods "x-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
            'its pod is refused: violates PodSecurity "restricted:latest": runAsNonRoot != true',
        ),
        (
            'Error creating: pods "x-1" is forbidden: error looking up service account luthier/luthier-trainer: '
            'serviceaccount "luthier-trainer" not found',
            'serviceaccount "luthier-trainer" not found',
        ),
    ],
)
def test_a_permanent_reason_ends_the_launch_in_one_line(
    controllers, server, refused_after_creation, arguments, message, expected
):
    controllers.simulate = lambda workload: workload.event("FailedCreate", message)
    assert expected in refused_after_creation(*arguments)
    server.wait_until(lambda: not server.objects["jobs"], "the Job is deleted")


def test_an_image_that_is_not_there(controllers, server, log_lines, luthier, arguments):
    def simulate(workload):
        pod = workload.pod(node="node-1").waits("ErrImagePull", PULL)
        pod.waits("ImagePullBackOff", f'Back-off pulling image "trainer:1": ErrImagePull: {PULL}')

    controllers.simulate = simulate
    finished = luthier(*arguments)
    assert finished.code == 2
    last = finished.err.splitlines()[-1]
    assert "its image 'trainer:1' cannot be pulled: failed to resolve reference" in last
    assert last.endswith("trainer:1: not found")
    server.wait_until(lambda: not server.objects["jobs"], "the Job is deleted: its pod would hold a GPU")
    assert log_lines.count("cannot be pulled") == 1


def test_a_volume_that_cannot_be_mounted_is_read_from_events(controllers, log_lines, luthier, arguments):
    def simulate(workload):
        pod = workload.pod(node="node-1").waits("ContainerCreating")
        text = 'MountVolume.SetUp failed for volume "notes": configmap "notes" not found'
        workload.event("FailedMount", text, kind="Pod", name=pod.name, uid=pod.uid)
        log_lines.wait(f"its pod does not start: {text}")
        ends_well(workload, pod.runs())

    controllers.simulate = simulate
    assert luthier(*arguments).code == 0


def test_without_permission_to_list_events_it_works_and_warns_once(controllers, server, log_lines, luthier, arguments):
    def simulate(workload):
        log_lines.wait(
            "refusals by quota or admission will not be shown: 'luthier:luthier-launcher' may not list events"
        )
        server.wait_until(lambda: server.count("watch", "pods") > 0, "the pods are watched")
        ends_well(workload, workload.pod(node="node-1").runs())

    server.role.discard(("list", "events"))
    controllers.simulate = simulate
    assert luthier(*arguments).code == 0
    assert server.count("list", "events") == 1


def test_an_input_error_of_the_trainer_is_shown_as_its_own_line(
    controllers, refused, refused_after_creation, arguments, server
):
    def simulate(workload):
        pod = workload.pod(node="node-1").runs().says("reading", "luthier: the notes are too short")
        pod.ends(2, message="reading\nluthier: the notes are too short\n")
        workload.fail("PodFailurePolicy", "Container trainer for pod luthier/x failed with exit code 2")

    controllers.simulate = simulate
    assert refused_after_creation(*arguments) == "luthier: the notes are too short"
    # Again with the same input: no second GPU for it, but the way out.
    line = refused(*arguments)
    assert "because of its input" in line
    assert f"kubectl -n luthier delete job {NAME}" in line
    assert server.count("delete", "jobs") == 0


def test_failed_too_often(controllers, luthier, arguments):
    def simulate(workload):
        for _ in range(2):
            workload.pod(node="node-1").runs().ends(1, message="Traceback\nOSError: the disk is broken\n")
        workload.fail("BackoffLimitExceeded", "Job has reached the specified backoff limit", failed=4)

    controllers.simulate = simulate
    finished = luthier(*arguments)
    assert finished.code == 1
    assert finished.err.splitlines()[-1] == (
        f"luthier: Job {NAME} failed 4 times (its backoffLimit is 3): its last pod was ended with exit code 1: "
        "OSError: the disk is broken; the same command continues from its checkpoint"
    )


def test_out_of_time(controllers, luthier, arguments):
    def simulate(workload):
        workload.change(lambda job: job["spec"].update(activeDeadlineSeconds=3600))
        workload.pod(node="node-1").runs().ends(75)
        workload.fail("DeadlineExceeded", "Job was active longer than specified deadline")

    controllers.simulate = simulate
    finished = luthier(*arguments)
    assert finished.code == 1
    assert "ran longer than its activeDeadlineSeconds, 3600: raise it" in finished.err


def test_a_job_that_was_deleted(controllers, server, log_lines, luthier, arguments):
    def simulate(workload):
        workload.pod(node="node-1").runs()
        log_lines.wait("runs on node")
        server.remove("jobs", NAME)

    controllers.simulate = simulate
    finished = luthier(*arguments)
    assert finished.code == 1
    assert f"Job {NAME} was deleted before its training was finished" in finished.err.splitlines()[-1]


def test_a_finished_job_that_expired(controllers, server, log_lines, luthier, arguments):
    def simulate(workload):
        workload.pod(node="node-1").runs().ends(0)
        workload.trained()
        server.remove("jobs", NAME)

    controllers.simulate = simulate
    assert luthier(*arguments).code == 0


def test_a_complete_job_without_a_result_is_an_error(controllers, luthier, arguments):
    def simulate(workload):
        workload.trained(status="failed", failure="the training diverged at step 7", outcome=None)
        workload.complete()

    controllers.simulate = simulate
    finished = luthier(*arguments)
    assert finished.code == 1
    assert "has no finished training: the training diverged at step 7" in finished.err


def in_deletion(workload):
    workload.pod(node="node-1").runs()
    workload.change(
        lambda job: job["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["foregroundDeletion"])
    )


def on_a_lost_node(workload):
    pod = workload.pod(node="node-1").runs()
    pod.change(lambda pod: pod["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z"))


def never_completed(workload):
    workload.pod(node="node-1").runs().ends(0)


@pytest.mark.parametrize(
    ("simulate", "expected"),
    [
        (in_deletion, rf"Job {NAME} has been in deletion for \d+ s \(finalizers: foregroundDeletion\)"),
        (on_a_lost_node, rf"pod {NAME}-00001 of Job {NAME} has been terminating for \d+ s on node node-1"),
        (never_completed, rf"Job {NAME} has not been completed for \d+ s after its pods succeeded"),
    ],
)
def test_a_job_that_stays_terminating_is_an_error(controllers, luthier, arguments, timing, simulate, expected):
    timing(terminating_s=0.3)
    controllers.simulate = simulate
    finished = luthier(*arguments)
    assert finished.code == 1
    assert re.search(expected, finished.err.splitlines()[-1])
    assert "kubectl -n luthier" in finished.err.splitlines()[-1]


def test_a_pod_may_take_its_grace_period_to_end(controllers, server, log_lines, luthier, arguments, timing):
    timing(terminating_s=0.01)

    def simulate(workload):
        pod = workload.pod(node="node-1").runs()
        in_deletion = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 60}
        pod.change(lambda pod: pod["metadata"].update(in_deletion))
        log_lines.wait(f"pod {pod.name} is terminating")
        time.sleep(0.1)
        pod.ends(75).removed()
        last = workload.pod(node="node-2").runs()
        log_lines.wait("runs on node node-2")
        workload.trained()
        looks = server.count("list", "pods")
        workload.complete()  # before its pod ends: the limit of 0.01 s holds for that as well
        server.wait_until(lambda: server.count("list", "pods") > looks, "the launcher knows that it is complete")
        last.ends(0)

    controllers.simulate = simulate
    assert luthier(*arguments).code == 0


def test_a_state_that_lasts_is_logged_again(controllers, log_lines, luthier, arguments, timing):
    timing(heartbeat_s=0.1)

    def simulate(workload):
        pod = workload.pod().unschedulable(NO_GPU)
        log_lines.wait("Insufficient nvidia.com/gpu, for 0 min")
        ends_well(workload, pod.placed("node-1").runs())

    controllers.simulate = simulate
    assert luthier(*arguments).code == 0
