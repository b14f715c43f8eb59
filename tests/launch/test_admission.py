"""The queue and the priority class of a Job: what they set, and that they exist before the Job is created."""

from __future__ import annotations

import pytest
import yaml

from tests.launch.conftest import TEMPLATE
from tests.launch.test_launch import NAME

KUEUES_LABEL = "kueue.x-k8s.io/priority-class"


def _in_template(server, patch):
    template = server.read("configmaps", "luthier-training-job")
    template["data"]["queue.yaml"] = patch
    server.put("configmaps", template)


def test_without_a_queue_the_priority_class_is_that_of_the_pods(controllers, server, luthier, arguments):
    assert luthier(*arguments, "--detach", "--priority-class", "high").code == 0
    job = server.read("jobs", NAME)
    assert job["spec"]["template"]["spec"]["priorityClassName"] == "high"
    assert KUEUES_LABEL not in job["metadata"]["labels"]


@pytest.mark.parametrize("place", ["option", "template"])
def test_with_a_queue_it_is_kueues(controllers, server, luthier, arguments, place):
    if place == "template":
        _in_template(
            server, f"metadata: {{labels: {{kueue.x-k8s.io/queue-name: gpus, {KUEUES_LABEL}: luthier-training}}}}"
        )
    queue = ["--queue", "gpus"] if place == "option" else []
    assert luthier(*arguments, "--detach", *queue, "--priority-class", "luthier-urgent").code == 0
    job = server.read("jobs", NAME)
    assert job["metadata"]["labels"][KUEUES_LABEL] == "luthier-urgent"
    assert "priorityClassName" not in job["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("options", "patch", "expected"),
    [
        (
            ["--priority-class", "hgih"],
            "",
            "the cluster has no PriorityClass 'hgih'; it has high, system-node-critical",
        ),
        (["--queue", "gpu"], "", "namespace 'luthier' has no LocalQueue 'gpu'; it has gpus, luthier"),
        (
            ["--queue", "gpus", "--priority-class", "high"],
            "",
            "the cluster has no WorkloadPriorityClass 'high'; it has luthier-training, luthier-urgent",
        ),
        ([], "spec: {template: {spec: {priorityClassName: gone}}}", "has no PriorityClass 'gone'"),
        ([], "metadata: {labels: {kueue.x-k8s.io/queue-name: gone}}", "has no LocalQueue 'gone'"),
        (["--queue", "gpus", "--priority-class", "a b"], "", "--priority-class 'a b' cannot be a label"),
    ],
)
def test_one_that_does_not_exist_is_refused_before_the_job_is_created(
    server, refused, arguments, options, patch, expected
):
    if patch:
        _in_template(server, patch)
    assert expected in refused(*arguments, *options)
    assert server.count("create", "jobs") == 0


def test_a_queue_without_kueue_is_refused(server, refused, arguments):
    server.has_kueue = False
    assert "has no Kueue that would start it" in refused(*arguments, "--queue", "gpus")
    assert server.count("create", "jobs") == 0


def test_a_job_that_exists_is_adopted_although_its_class_is_gone(controllers, server, luthier, arguments):
    assert luthier(*arguments, "--detach", "--priority-class", "high").code == 0
    server.remove("priorityclasses", "high")
    assert luthier(*arguments, "--detach", "--priority-class", "high").code == 0
    assert len(controllers.workloads) == 1


def test_what_the_launcher_may_not_list_is_not_checked(controllers, server, log_lines, luthier, arguments):
    server.role -= {("list", name) for name in ("priorityclasses", "workloadpriorityclasses", "localqueues")}
    assert luthier(*arguments, "--detach", "--priority-class", "hgih").code == 0
    assert log_lines.count("whether the cluster has the PriorityClass 'hgih' is not checked") == 1
    assert server.count("create", "jobs") == 1


def test_a_job_that_names_nothing_asks_nothing(controllers, server, luthier, arguments):
    assert luthier(*arguments, "--detach").code == 0
    assert not [resource for _, resource, _ in server.requests if "classes" in resource or "queues" in resource]


def test_a_dry_run_needs_no_cluster_for_it(luthier, arguments):
    printed = luthier(*arguments, "--template", TEMPLATE, "--dry-run", "--queue", "q", "--priority-class", "urgent")
    assert yaml.safe_load(printed.out)["metadata"]["labels"][KUEUES_LABEL] == "urgent"
