"""A Job of the name exists: it is adopted if it is the same and active, and replaced if it has finished."""

from components import storage
from components.launch import labels
from tests.launch.test_launch import NAME, trains


def test_a_different_active_job_is_an_error_that_names_the_difference(controllers, server, luthier, refused, arguments):
    luthier(*arguments, "--detach")
    line = refused(*arguments, "--preset", "seed")
    assert f"a different Job {NAME} is active: its --preset is 'smoke', expected 'seed'" in line
    assert "--run" in line
    assert f"kubectl -n luthier delete job {NAME}" in line
    assert "its --set is not set, expected 'train.max_steps = 3'" in refused(*arguments, "--set", "train.max_steps = 3")
    assert "its image is 'trainer:1', expected 'trainer:2'" in refused(*arguments, "--image", "trainer:2")
    line = refused(*arguments, "--gpus", 4)
    assert "spec.template.spec.containers[trainer].resources.limits.nvidia.com/gpu is 1, expected 4" in line
    line = refused(*arguments, "--priority-class", "high")
    assert "spec.template.spec.priorityClassName is None, expected 'high'" in line
    assert server.count("delete", "jobs") == 0


def test_one_binding_more_is_a_difference(controllers, luthier, refused, arguments):
    luthier(*arguments, "--set", "train.max_steps = 3", "--detach")
    assert "its --set is 'train.max_steps = 3', expected not set" in refused(*arguments, "--detach")


def test_equal_quantities_in_other_notation_are_no_difference(controllers, server, luthier, refused, arguments):
    luthier(*arguments, "--detach")
    job = server.read("jobs", NAME)
    container = job["spec"]["template"]["spec"]["containers"][0]
    container["resources"]["requests"]["cpu"] = "1"  # 1000m
    server.put("jobs", job)
    assert "spec.backoffLimit" in refused_with_patch(server, refused, arguments, "spec: {backoffLimit: 9}")


def refused_with_patch(server, refused, arguments, patch):
    template = server.read("configmaps", "luthier-training-job")
    template["data"]["patch.yaml"] = patch
    server.put("configmaps", template)
    return refused(*arguments)


def test_one_that_failed_is_replaced(controllers, server, log_lines, luthier, arguments):
    def fails(workload):
        workload.pod(node="node-1").runs().ends(1, message="OSError: the disk is broken")
        workload.fail("BackoffLimitExceeded")

    controllers.simulate = fails
    assert luthier(*arguments).code == 1
    controllers.simulate = trains()
    assert luthier(*arguments).code == 0
    assert [workload.name for workload in controllers.workloads] == [NAME, NAME]
    assert (
        log_lines.count(
            "failed before (BackoffLimitExceeded); replacing it, the training continues from its checkpoint"
        )
        == 1
    )


def test_one_that_is_being_deleted_is_waited_for(controllers, server, log_lines, luthier, arguments):
    luthier(*arguments, "--detach")
    controllers.workloads[0].pod(node="node-1").runs()
    job = server.read("jobs", NAME)
    job["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    server.put("jobs", job)

    def simulate(workload):
        trains()(workload)

    controllers.simulate = simulate
    collector = controllers.later(
        lambda: log_lines.wait("is being deleted; waiting until it is gone"), then=lambda: controllers.collect(job)
    )
    assert luthier(*arguments).code == 0
    collector.join()
    assert len(controllers.workloads) == 2


def test_one_that_stays_in_deletion_is_an_error_that_names_its_finalizers(
    controllers, server, luthier, arguments, timing
):
    timing(terminating_s=0.2)
    luthier(*arguments, "--detach")
    job = server.read("jobs", NAME)
    job["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["example.com/keep"])
    server.put("jobs", job)
    finished = luthier(*arguments)
    assert finished.code == 1
    line = finished.err.splitlines()[-1]
    assert f"Job {NAME} has been in deletion for 0 s (finalizers: example.com/keep)" in line
    assert f"kubectl -n luthier delete pods --force -l batch.kubernetes.io/job-name={NAME}" in line
    assert f"kubectl -n luthier patch job {NAME} --type merge -p '" in line
    assert server.count("create", "jobs") == 2


def test_one_that_others_delete_again_and_again_is_an_error(server, luthier, arguments, timing):
    timing({"longest_pause_s": 0.01})
    server.fail("create", "jobs", 409, times=1000)
    finished = luthier(*arguments)
    assert finished.code == 1
    assert f"Job {NAME} could not be created in 10 attempts" in finished.err.splitlines()[-1]
    assert server.count("create", "jobs") == 10


def test_a_complete_one_without_its_training_is_replaced(controllers, server, luthier, arguments):
    controllers.simulate = trains()
    luthier(*arguments)
    storage.delete_tree(arguments[arguments.index("--out") + 1])
    assert luthier(*arguments).code == 0
    assert len(controllers.workloads) == 2


def test_a_finished_one_of_a_different_training_is_replaced(
    controllers, server, log_lines, luthier, arguments, tmp_path
):
    controllers.simulate = trains()
    luthier(*arguments)
    elsewhere = [str(tmp_path / "elsewhere") if "string-harmonic" in word else word for word in arguments]
    assert luthier(*elsewhere).code == 0
    assert log_lines.count("has finished and was a different training; replacing it") == 1


def test_one_that_was_suspended_after_its_training_had_finished_is_deleted(
    controllers, server, log_lines, luthier, arguments
):
    luthier(*arguments, "--detach")
    workload = controllers.workloads[0]
    workload.trained()
    workload.suspend(True)
    assert luthier(*arguments).code == 0
    assert workload.job is not None  # a person suspended it
    workload.change(lambda job: job["metadata"]["annotations"].update({labels.SUSPENDED_BY: labels.LAUNCHER}))
    assert "trained already" in luthier(*arguments).out
    server.wait_until(lambda: not server.objects["jobs"], "the Job is gone")
    assert log_lines.count("its last launcher had suspended it, and its training is finished") == 1


def test_a_finished_training_needs_no_answer_about_its_job(controllers, server, log_lines, luthier, arguments):
    controllers.simulate = trains()
    luthier(*arguments)
    server.role = server.role - {("get", "jobs")}
    assert luthier(*arguments).code == 0
    assert log_lines.count("cannot see whether") == 1


def test_of_an_adopted_one_the_last_lines_of_the_log_and_all_later_ones_are_shown(
    controllers, server, log_lines, luthier, arguments
):
    luthier(*arguments, "--detach")
    workload = controllers.workloads[0]
    pod = workload.pod(node="node-1").runs().says(*(f"step {number}" for number in range(50)))

    def goes_on():
        pod.says("step 50").ends(0)
        workload.trained()
        workload.complete()

    follower = controllers.later(lambda: log_lines.wait("runs on node node-1"), then=goes_on)
    finished = luthier(*arguments)
    follower.join()
    assert finished.code == 0
    steps = [line for line in finished.out.splitlines() if line.startswith("step ")]
    assert steps[-1] == "step 50"
    assert 2 <= len(steps) <= 11
