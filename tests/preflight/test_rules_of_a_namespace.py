"""Rules of a namespace that a training keeps: they must not be told as faults of the image or of the quota."""

from __future__ import annotations

import copy

import pytest

from components.preflight.capacity import check_quotas, gpus_of
from components.preflight.finding import Status
from components.preflight.image import check_image
from tests.preflight.test_cluster import job, only

JOBS = "/apis/batch/v1/namespaces/luthier/jobs"


def refused(cluster, text):
    """The check of an image whose pod is refused; the event is as Kubernetes writes it."""
    event = {"involvedObject": {"name": "x"}, "reason": "FailedCreate", "metadata": {}}
    message = f'Error creating: pods "luthier-check-1-abcde" is forbidden: {text}'
    event |= {"message": message, "lastTimestamp": "2099-01-01T00:00:00Z"}
    cluster.answers["/api/v1/namespaces/luthier/events"] = {"items": [event]}
    return only(check_image(cluster.api(), job(cluster), limit_s=0.1))


@pytest.mark.parametrize(
    "text",
    [
        "minimum cpu usage per Container is 100m, but request is 10m",  # plugin/pkg/admission/limitranger
        "cpu max limit to request ratio per Container is 2, but provided ratio is 10.000000",
        "failed quota: luthier: must specify requests.example.com/license for: trainer",  # resourcequota
        "exceeded quota: q, requested: cpu=10m, used: cpu=0, limited: cpu=0",
        'admission webhook "labels.example.com" denied the request: label team is missing',
    ],
)
def test_a_pod_that_a_rule_refuses_tells_nothing_about_the_image(cluster, text):
    found = refused(cluster, text)
    assert found.status is Status.NOTE, found
    assert "trainer:1 is not checked" in found.text


@pytest.mark.parametrize(
    "text",
    [
        'error looking up service account luthier/luthier-trainer: serviceaccount "luthier-trainer" not found',
        'violates PodSecurity "restricted:latest": runAsNonRoot != true',
    ],
)
def test_what_a_training_would_meet_as_well_is_wrong(cluster, text):
    found = refused(cluster, text)
    assert found.status is Status.WRONG and text in found.text


def test_a_job_that_a_policy_refuses_tells_nothing_about_the_image(cluster):
    cluster.answers[JOBS] = 400
    found = only(check_image(cluster.api(), job(cluster)))
    assert found.status is Status.NOTE and "trainer:1 is not checked, its pod is refused" in found.text


def test_the_pod_of_the_check_has_what_policies_and_quotas_ask_for(cluster):
    training = job(cluster)
    pod = training["spec"]["template"]
    pod["metadata"]["annotations"] = {"sidecar.istio.io/inject": "false"}
    pod["spec"]["nodeSelector"] = {"kubernetes.io/arch": "amd64", "cloud.google.com/gke-accelerator": "nvidia-l4"}
    list(check_image(cluster.api(), training, limit_s=0.1))
    created = cluster.created[-1]["spec"]["template"]
    assert created["metadata"]["labels"]["team"] == "audio"
    assert created["metadata"]["labels"]["app.kubernetes.io/name"] == "luthier-check"
    assert not [name for name in created["metadata"]["labels"] if name.startswith("luthier.dev/")]
    assert created["metadata"]["annotations"] == {"sidecar.istio.io/inject": "false"}
    assert created["spec"]["nodeSelector"] == {"kubernetes.io/arch": "amd64"}
    resources = created["spec"]["containers"][0]["resources"]
    assert resources["limits"].keys() == resources["requests"].keys() == {"cpu", "memory", "ephemeral-storage"}


def test_an_image_of_another_architecture_is_noted(cluster):
    pod = copy.deepcopy(cluster.recorded["pod-without-image"])
    cluster.pods = [pod]
    state = pod["status"]["containerStatuses"][0]["state"]
    state["waiting"]["message"] = 'failed to pull and unpack image "t": no match for platform in manifest: not found'
    found = only(check_image(cluster.api(), job(cluster)))
    assert found.status is Status.NOTE and "kubernetes.io/arch" in found.advice
    state.clear()
    state["terminated"] = {"exitCode": 255, "message": "exec /bin/sh: exec format error"}
    found = only(check_image(cluster.api(), job(cluster)))
    assert found.status is Status.NOTE and "exit code 255: exec /bin/sh: exec format error" in found.text


@pytest.mark.parametrize(
    ("scopes", "is_counted"),
    [
        ({"scopes": ["BestEffort"]}, False),
        ({"scopes": ["NotBestEffort"]}, True),
        ({"scopes": ["Terminating"]}, False),
        ({"scopes": ["NotTerminating", "NotBestEffort"]}, True),
        ({"scopes": ["PriorityClass"]}, False),
        ({"scopes": "odd"}, True),
        (
            {"scopeSelector": {"matchExpressions": [{"scopeName": "CrossNamespacePodAffinity", "operator": "Exists"}]}},
            False,
        ),
        *(
            ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", **expression}]}}, is_counted)
            for expression, is_counted in (
                ({"operator": "In", "values": ["system-node-critical"]}, False),
                ({"operator": "NotIn", "values": ["system-node-critical"]}, True),
                ({"operator": "DoesNotExist"}, True),
            )
        ),
    ],
)
def test_a_quota_counts_the_pods_of_its_scopes_only(cluster, scopes, is_counted):
    quota = {"metadata": {"name": "scoped"}, "spec": {"hard": {"pods": "0", "count/jobs.batch": "0"}, **scopes}}
    cluster.answers["/api/v1/namespaces/luthier/resourcequotas"] = {"items": [quota]}
    found = only(check_quotas(cluster.api(), job(cluster), 2))
    assert (found.status is Status.WRONG) == is_counted
    if is_counted and scopes != {"scopes": "odd"}:
        assert "requests pods=1" in found.text  # a quota with scopes counts no Jobs


def test_slices_of_a_gpu_are_counted(cluster):
    training = job(cluster)
    limits = training["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    del limits["nvidia.com/gpu"]
    limits |= {"nvidia.com/mig-1g.10gb": 2, "nvidia.com/gpumem": 3000}
    assert gpus_of(training) == 2
