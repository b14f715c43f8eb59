"""What the cluster does to a training, in words that a person can act on; each once, however often it is told."""

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


def test_on_its_way_to_a_gpu_and_through_its_mishaps(stage, said, luthier, arguments):
    def play(workload):
        first = workload.pod().unschedulable(NO_GPU)
        said.wait("no node can take its pod: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu")
        first.unschedulable(NO_GPU.replace("No preemption", "no preemption"))  # the same, told again
        first.placed("node-1").waits("ErrImagePull", "dial tcp: i/o timeout")
        said.wait("its image 'trainer:1' cannot be pulled: dial tcp: i/o timeout")
        first.waits("ImagePullBackOff", 'Back-off pulling image "trainer:1": ErrImagePull: dial tcp: i/o timeout')
        first.runs()
        said.wait("runs on node node-1")
        first.ends(137, "OOMKilled")
        said.wait("killed for memory: the limit of container 'trainer' is 4Gi; raise resources.limits.memory")
        second = workload.pod(node="node-2").runs()
        said.wait("runs on node node-2")
        second.condition("DisruptionTarget", "True", "PreemptionByScheduler", "preempted").ends(143)
        said.wait("preempted by a pod of higher priority; the training continues from its checkpoint")
        second.removed()
        third = workload.pod(node="node-3").runs()
        said.wait("runs on node node-3")
        ends_well(workload, third)

    stage.play = play
    assert luthier(*arguments).code == 0
    for part in ("no node can take", "cannot be pulled", "killed for memory", "preempted", "runs on node node-1"):
        assert said.count(part) == 1, said.texts


def test_queued_by_kueue(stage, said, luthier, arguments):
    def play(workload):
        assert workload.job["spec"]["suspend"] is True
        said.wait("queued in Kueue (queue 'gpus')")
        message = "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu, 1 more needed"
        later = {"lastTimestamp": "2099-01-01T00:00:00Z"}
        workload.event("Pending", "not about this one", kind="Workload", name="job-other-12345", uid="another", **later)
        workload.event("Pending", message, kind="Workload", name=f"job-{NAME}-12345", uid="other")
        said.wait(f"queued in Kueue (queue 'gpus'): {message}")
        workload.suspend(False)
        ends_well(workload, workload.pod(node="node-1").runs())

    stage.play = play
    assert luthier(*arguments, "--queue", "gpus").code == 0
    assert said.count("not about this one") == 0


def test_paused_by_a_person_it_waits_and_goes_on(stage, server, said, luthier, arguments):
    def play(workload):
        pod = workload.pod(node="node-1").runs()
        said.wait("runs on node node-1")
        workload.suspend(True)
        said.wait(f'kubectl -n luthier patch job {NAME} -p \'{{"spec":{{"suspend":false}}}}\' resumes it')
        pod.ends(75).removed()
        workload.suspend(False)
        ends_well(workload, workload.pod(node="node-2").runs())

    stage.play = play
    assert luthier(*arguments).code == 0
    assert server.count("patch", "jobs") == 0  # what a person paused is not the launcher's to resume


def test_a_quota_that_is_used_up_is_waited_for(stage, said, luthier, arguments):
    def play(workload):
        workload.event("FailedCreate", QUOTA.format(limit=2))
        said.wait("quota 'gpus' is used up: its pod requests requests.nvidia.com/gpu=1, used is")
        ends_well(workload, workload.pod(node="node-1").runs())

    stage.play = play
    assert luthier(*arguments).code == 0


def test_what_was_refused_before_the_last_pod_is_overcome(stage, server, said, luthier, arguments):
    def play(workload):
        workload.event("FailedCreate", QUOTA.format(limit=2), lastTimestamp="2026-01-01T00:00:00Z")
        said.wait("quota 'gpus' is used up")
        workload.pod(node="node-1").runs().ends(75).change(
            lambda pod: pod["metadata"].update(creationTimestamp="2026-01-01T00:00:01Z")
        )
        looks = server.count("list", "events")
        server.wait_until(lambda: server.count("list", "events") > looks + 1, "it looks again")
        ends_well(workload, workload.pod(node="node-1").runs())

    stage.play = play
    assert luthier(*arguments).code == 0
    assert said.count("quota 'gpus' is used up") == 1


def test_a_webhook_that_does_not_answer_is_waited_for(stage, said, luthier, arguments):
    def play(workload):
        message = 'Error creating: Internal error occurred: failed calling webhook "x": connection refused'
        workload.event("FailedCreate", message)
        said.wait("its pod is refused: Error creating: Internal error occurred")
        time.sleep(0.3)  # longer than a permanent reason may hold
        ends_well(workload, workload.pod(node="node-1").runs())

    stage.play = play
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
def test_what_no_waiting_helps_ends_in_one_line(stage, server, refused_in_the_end, arguments, message, expected):
    stage.play = lambda workload: workload.event("FailedCreate", message)
    assert expected in refused_in_the_end(*arguments)
    server.wait_until(lambda: not server.objects["jobs"], "the Job is deleted")


def test_an_image_that_is_not_there(stage, server, said, luthier, arguments):
    def play(workload):
        pod = workload.pod(node="node-1").waits("ErrImagePull", PULL)
        pod.waits("ImagePullBackOff", f'Back-off pulling image "trainer:1": ErrImagePull: {PULL}')

    stage.play = play
    finished = luthier(*arguments)
    assert finished.code == 2
    last = finished.err.splitlines()[-1]
    assert "its image 'trainer:1' cannot be pulled: failed to resolve reference" in last
    assert last.endswith("trainer:1: not found")
    server.wait_until(lambda: not server.objects["jobs"], "the Job is deleted: its pod would hold a GPU")
    assert said.count("cannot be pulled") == 1


def test_a_volume_that_cannot_be_mounted_is_told_by_events_alone(stage, said, luthier, arguments):
    def play(workload):
        pod = workload.pod(node="node-1").waits("ContainerCreating")
        text = 'MountVolume.SetUp failed for volume "notes": configmap "notes" not found'
        workload.event("FailedMount", text, kind="Pod", name=pod.name, uid=pod.uid)
        said.wait(f"its pod does not start: {text}")
        ends_well(workload, pod.runs())

    stage.play = play
    assert luthier(*arguments).code == 0


def test_without_leave_to_list_events_it_works_and_says_so_once(stage, server, said, luthier, arguments):
    def play(workload):
        said.wait("refusals by quota or admission will not be shown: 'luthier:luthier-launcher' may not list events")
        server.wait_until(lambda: server.count("watch", "pods") > 0, "the pods are watched")
        ends_well(workload, workload.pod(node="node-1").runs())

    server.role.discard(("list", "events"))
    stage.play = play
    assert luthier(*arguments).code == 0
    assert server.count("list", "events") == 1


def test_the_trainers_own_line_where_its_input_is_at_fault(stage, refused, refused_in_the_end, arguments, server):
    def play(workload):
        pod = workload.pod(node="node-1").runs().says("reading", "luthier: the notes are too short")
        pod.ends(2, message="reading\nluthier: the notes are too short\n")
        workload.fail("PodFailurePolicy", "Container trainer for pod luthier/x failed with exit code 2")

    stage.play = play
    assert refused_in_the_end(*arguments) == "luthier: the notes are too short"
    # Again with the same input: no second GPU for it, but the way out.
    line = refused(*arguments)
    assert "because of its input" in line
    assert f"kubectl -n luthier delete job {NAME}" in line
    assert server.count("delete", "jobs") == 0


def test_failed_too_often(stage, luthier, arguments):
    def play(workload):
        for _ in range(2):
            workload.pod(node="node-1").runs().ends(1, message="Traceback\nOSError: the disk is broken\n")
        workload.fail("BackoffLimitExceeded", "Job has reached the specified backoff limit", failed=4)

    stage.play = play
    finished = luthier(*arguments)
    assert finished.code == 1
    assert finished.err.splitlines()[-1] == (
        f"luthier: Job {NAME} failed 4 times (its backoffLimit is 3): its last pod was ended with exit code 1: "
        "OSError: the disk is broken; the same command continues from its checkpoint"
    )


def test_out_of_time(stage, luthier, arguments):
    def play(workload):
        workload.change(lambda job: job["spec"].update(activeDeadlineSeconds=3600))
        workload.pod(node="node-1").runs().ends(75)
        workload.fail("DeadlineExceeded", "Job was active longer than specified deadline")

    stage.play = play
    finished = luthier(*arguments)
    assert finished.code == 1
    assert "ran longer than its activeDeadlineSeconds, 3600: raise it" in finished.err


def test_somebody_deleted_it(stage, server, said, luthier, arguments):
    def play(workload):
        workload.pod(node="node-1").runs()
        said.wait("runs on node")
        server.remove("jobs", NAME)

    stage.play = play
    finished = luthier(*arguments)
    assert finished.code == 1
    assert f"Job {NAME} was deleted before its training was finished" in finished.err.splitlines()[-1]


def test_it_expired_before_anybody_looked(stage, server, said, luthier, arguments):
    def play(workload):
        workload.pod(node="node-1").runs().ends(0)
        workload.trained()
        server.remove("jobs", NAME)

    stage.play = play
    assert luthier(*arguments).code == 0


def test_done_without_a_result_is_an_error(stage, luthier, arguments):
    def play(workload):
        workload.trained(status="failed", failure="the training diverged at step 7", outcome=None)
        workload.complete()

    stage.play = play
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
    ("play", "expected"),
    [
        (in_deletion, f"Job {NAME} has been in deletion for 0 s (finalizers: foregroundDeletion)"),
        (
            on_a_lost_node,
            f"pod {NAME}-00001 of Job {NAME} has been terminating for 0 s on node node-1",
        ),
        (never_completed, f"Job {NAME} has not been completed for 0 s after its pods succeeded"),
    ],
)
def test_a_job_that_stays_in_its_end_is_an_error(stage, luthier, arguments, timing, play, expected):
    timing(terminating_s=0.3)
    stage.play = play
    finished = luthier(*arguments)
    assert finished.code == 1
    assert expected in finished.err.splitlines()[-1]
    assert "kubectl -n luthier" in finished.err.splitlines()[-1]


def test_a_pod_may_take_its_grace_period_to_end(stage, said, luthier, arguments, timing):
    timing(terminating_s=0.01)

    def play(workload):
        pod = workload.pod(node="node-1").runs()
        in_deletion = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 60}
        pod.change(lambda pod: pod["metadata"].update(in_deletion))
        said.wait(f"pod {pod.name} is terminating")
        time.sleep(0.1)
        pod.ends(75).removed()
        last = workload.pod(node="node-2").runs()
        said.wait("runs on node node-2")
        workload.trained()
        workload.complete()  # before its pod ends: the limit of 0.01 s holds for that as well
        last.ends(0)

    stage.play = play
    assert luthier(*arguments).code == 0


def test_a_long_wait_shows_signs_of_life(stage, said, luthier, arguments, timing):
    timing(heartbeat_s=0.1)

    def play(workload):
        pod = workload.pod().unschedulable(NO_GPU)
        said.wait("Insufficient nvidia.com/gpu, for 0 min")
        ends_well(workload, pod.placed("node-1").runs())

    stage.play = play
    assert luthier(*arguments).code == 0
