"""Launches without faults: create, adopt, follow, return; a training has one Job however often it is launched."""

import json

import kubernetes_validate
import yaml

from tests.launch.conftest import TEMPLATE

NAME = "luthier-smoke-1-string-harmonic"


def trains(*lines):
    def simulate(workload):
        pod = workload.pod(node="node-1").runs().says(*lines)
        pod.ends(0)
        workload.trained()
        workload.complete()

    return simulate


def test_a_training_is_launched_and_followed_to_its_end(controllers, server, luthier, arguments):
    controllers.simulate = trains("step 10 of 30", '{"severity": "INFO", "message": "step 20 of 30"}', "step 30 of 30")
    finished = luthier(*arguments)
    assert finished.code == 0, finished.err
    assert "step 10 of 30\nstep 20 of 30\nstep 30 of 30\n" in finished.out
    assert "trained: string-harmonic" in finished.out
    assert "9.50 held out, at step 30" in finished.out
    assert list(server.objects["jobs"]) == [NAME]


def test_the_job_has_arguments_labels_and_annotations(controllers, server, luthier, arguments, sorted_set):
    controllers.simulate = trains()
    assert luthier(*arguments, "--set", "train.max_steps = 30").code == 0
    job = server.read("jobs", NAME)
    container = job["spec"]["template"]["spec"]["containers"][0]
    out = arguments[arguments.index("--out") + 1]
    assert container["command"] == ["luthier"]
    assert container["args"] == [
        *("train", "--data", sorted_set, "--synth", "harmonic", "--family", "string", "--out", out),
        *("--preset", "smoke", "--set", "train.max_steps = 30"),
    ]
    labels = job["metadata"]["labels"]
    assert labels["luthier.dev/run"] == "smoke-1"
    assert labels["luthier.dev/family"] == "string"
    assert labels["luthier.dev/synth"] == "harmonic"
    assert labels["app.kubernetes.io/instance"] == NAME
    assert labels.items() <= job["spec"]["template"]["metadata"]["labels"].items()
    assert job["spec"]["template"]["metadata"]["labels"]["team"] == "audio"
    assert {"name": "LUTHIER_TRAIN_IMAGE", "value": "trainer:1"} in container["env"]
    assert job["metadata"]["annotations"]["luthier.dev/training-uri"] == out


def test_a_training_that_is_finished_needs_no_job(controllers, server, luthier, arguments):
    controllers.simulate = trains()
    luthier(*arguments)
    server.remove("jobs", NAME)  # as ttlSecondsAfterFinished does
    finished = luthier(*arguments)
    assert finished.code == 0
    assert "trained already: string-harmonic" in finished.out
    assert server.count("create", "jobs") == 1


def test_a_training_by_another_version_is_launched_again(controllers, server, luthier, arguments):
    def simulate(workload):
        workload.trained(training_version=0)
        workload.complete()

    controllers.simulate = simulate
    assert luthier(*arguments).code == 0
    assert luthier(*arguments).code == 0
    assert len(controllers.workloads) == 2
    assert server.count("delete", "jobs") == 1  # the finished one made place


def test_detached_it_only_creates_the_job(controllers, server, luthier, arguments):
    finished = luthier(*arguments, "--detach")
    assert finished.code == 0
    assert f"kubectl -n luthier logs -f job/{NAME}" in finished.out
    assert luthier(*arguments, "--detach").code == 0
    assert len(controllers.workloads) == 1


def test_a_dry_run_prints_a_job_that_kubernetes_takes_and_asks_no_cluster(server, luthier, arguments):
    finished = luthier(*arguments, "--template", TEMPLATE, "--dry-run", "--nodes", 3, "--gpus", 2, "--queue", "gpus")
    assert finished.code == 0, finished.err
    job = yaml.safe_load(finished.out)
    kubernetes_validate.validate(job, "1.36", strict=True)
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 3)
    assert spec["suspend"] is True
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert pod["subdomain"] == "luthier-workers"
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 2
    hosts = next(entry["value"] for entry in pod["containers"][0]["env"] if entry["name"] == "LUTHIER_WORKER_HOSTS")
    assert hosts == ",".join(f"{NAME}-{index}.luthier-workers:2222" for index in range(3))
    assert server.requests == []


def test_a_dry_run_on_the_server_creates_nothing(server, luthier, arguments, refused):
    tried = luthier(*arguments, "--dry-run=server", "--gpus", 2)
    assert tried.code == 0 and yaml.safe_load(tried.out)["metadata"]["name"] == NAME
    assert f"would accept Job {NAME} in namespace 'luthier'" in tried.err
    assert not server.objects["jobs"]
    assert "has no LocalQueue 'nothing'" in refused(*arguments, "--dry-run=server", "--queue", "nothing")
    luthier(*arguments, "--detach")
    assert "exists in namespace 'luthier': launch would follow" in luthier(*arguments, "--dry-run=server").err


def test_the_mlflow_run_is_passed_on_and_is_not_part_of_the_hash(controllers, server, luthier, arguments, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "first")
    luthier(*arguments, "--detach")
    monkeypatch.setenv("MLFLOW_RUN_ID", "second")
    assert luthier(*arguments, "--detach").code == 0
    env = server.read("jobs", NAME)["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "MLFLOW_RUN_ID", "value": "first"} in env


def test_of_several_workers_the_log_of_the_first_is_shown(controllers, luthier, arguments):
    def simulate(workload):
        pods = [workload.pod(index, node=f"node-{index}").runs() for index in (0, 1)]
        pods[1].says("from the second").ends(0)
        pods[0].says("from the first").ends(0)
        workload.trained()
        workload.complete()

    controllers.simulate = simulate
    finished = luthier(*arguments, "--nodes", 2)
    assert finished.code == 0
    assert "from the first" in finished.out
    assert "from the second" not in finished.out


def test_a_lost_answer_to_create_makes_no_second_job(controllers, server, luthier, arguments):
    controllers.simulate = trains()
    server.fail("create", "jobs", "lost")
    finished = luthier(*arguments)
    assert finished.code == 0
    assert len(controllers.workloads) == 1
    assert "adopted" in finished.err


def test_the_hash_is_of_the_request(server, luthier, arguments):
    def hash_of(*more):
        job = yaml.safe_load(luthier(*arguments, "--template", TEMPLATE, "--dry-run", *more).out)
        return job["metadata"]["annotations"]["luthier.dev/spec-hash"]

    hashes = [hash_of(), hash_of("--gpus", 4), hash_of("--preset", "seed"), hash_of("--set", "train.max_steps = 3")]
    assert len({*hashes}) == 4
    assert hash_of() == hashes[0]
    assert json.dumps(hashes)
