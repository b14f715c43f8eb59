"""components/job-policy on a real server: the launcher can create trainings of its template, and no other Job."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from components.launch.template import apply_patch
from components.preflight.image import _short_job
from tests.cluster import overlay
from tests.cluster.cluster import Cluster
from tests.cluster.overlay import Images
from tests.manifests.rendering import ROOT, render, training_job

pytestmark = pytest.mark.cluster

_POLICY = ROOT / "components/job-policy/policy.yaml"
_CHECK_S = 30.0
_KEEPER = "luthier-tests-keep-parameters"
_NO_PARAMETERS = "no params found for policy binding"


def _keep_parameters(admission: Any) -> None:
    """Creates a policy with ConfigMaps as parameters that matches nothing, unless it exists. It stays in the cluster.

    An API server (1.34) that has lost its last such policy finds no parameters of a later one until it restarts:
    it does not start its informer again (ensureParamsForPolicyLocked in policy_source.go).
    """
    from kubernetes.client.exceptions import ApiException

    policy, binding = yaml.safe_load_all(_POLICY.read_text())
    policy["metadata"]["name"] = binding["metadata"]["name"] = binding["spec"]["policyName"] = _KEEPER
    selector = binding["spec"]["matchResources"]["namespaceSelector"]
    selector["matchLabels"] = {"kubernetes.io/metadata.name": f"{_KEEPER}-none"}
    try:
        admission.create_validating_admission_policy(policy)
        admission.create_validating_admission_policy_binding(binding)
    except ApiException as error:
        assert error.status == 409, error.body


@pytest.fixture(scope="module")
def create(cluster: Cluster, images: Images) -> Iterator[Callable[..., str]]:
    """The policy in force for the namespace of the tests alone. Asks for a Job as an account; returns the refusal."""
    from kubernetes import client
    from kubernetes.client.exceptions import ApiException

    admission = client.AdmissionregistrationV1Api(cluster.api)
    policy, binding = yaml.safe_load_all(_POLICY.read_text())
    name = f"luthier-jobs-{cluster.namespace}"
    policy["metadata"]["name"] = binding["metadata"]["name"] = binding["spec"]["policyName"] = name
    selector = binding["spec"]["matchResources"]["namespaceSelector"]
    selector["matchLabels"] = {"kubernetes.io/metadata.name": cluster.namespace}
    refused = _changed(images, _other_account)
    _keep_parameters(admission)
    admission.create_validating_admission_policy(policy)
    admission.create_validating_admission_policy_binding(binding)

    def create(job: dict[str, Any], account: str = "luthier-launcher") -> str:
        api = client.ApiClient(cluster.api.configuration)
        api.set_default_header("Impersonate-User", f"system:serviceaccount:{cluster.namespace}:{account}")
        try:
            client.BatchV1Api(api).create_namespaced_job(cluster.namespace, job, dry_run="All")
        except ApiException as error:
            return str(error.body)
        return ""

    try:
        cluster.wait("the policy is in force", lambda: create(refused), _CHECK_S)
        deadline = time.monotonic() + _CHECK_S
        while _NO_PARAMETERS in (refusal := create(refused)) and time.monotonic() < deadline:
            time.sleep(1.0)  # the server has not read the ConfigMap yet
        if _NO_PARAMETERS in refusal:
            pytest.skip("somebody deleted the last such policy of this API server: restart it (see _keep_parameters)")
        yield create
    finally:
        admission.delete_validating_admission_policy_binding(name)
        admission.delete_validating_admission_policy(name)
        cluster.wait("the policy is not in force any more", lambda: not create(refused), _CHECK_S)


def _training(images: Images) -> dict[str, Any]:
    job = copy.deepcopy(training_job(render("overlays/kind")))
    (container,) = job["spec"]["template"]["spec"]["containers"]
    container |= {"image": images.train, "args": ["train", "--data", "gs://luthier/sorted"]}
    job["metadata"] |= {"name": "luthier-policy-string-harmonic"}
    return job


def _changed(images: Images, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> dict[str, Any]:
    job = _training(images)
    pod = job["spec"]["template"]["spec"]
    change(pod, pod["containers"][0])
    return job


def _other_account(pod: dict[str, Any], trainer: dict[str, Any]) -> None:
    pod["serviceAccountName"] = "luthier-launcher"


def _secret(name: str) -> dict[str, Any]:
    return {"name": "x", "secret": {"secretName": name}}


def _token() -> dict[str, Any]:
    return {"name": "x", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}


def _env(name: str) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {"secretKeyRef": {"name": name, "key": "password"}}}


def test_a_training_of_the_template_is_created(create, images):
    assert create(_training(images)) == ""


def test_so_is_one_of_the_pipeline_which_evaluates_too(create, images):
    assert (
        create(_changed(images, lambda pod, trainer: trainer.update(args=["train-and-evaluate", "--data", "x"]))) == ""
    )


def test_so_is_the_pod_that_tries_the_image_and_with_no_other_command(create, images):
    check = _short_job(_training(images))
    assert create(check) == ""
    (container,) = check["spec"]["template"]["spec"]["containers"]
    container["command"] = ["sh", "-c", "sleep 3600"]
    assert "is no training" in create(check)


@pytest.mark.parametrize("component", ["gcs-key", "mlflow-login"])
def test_so_is_one_with_the_secrets_of_our_components(create, images, component):
    patch = yaml.safe_load((ROOT / "components" / component / "job.yaml").read_text())
    assert create(apply_patch(_training(images), patch)) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_other_account, "luthier-trainer, without a token"),
        (lambda pod, trainer: pod.update(automountServiceAccountToken=True), "without a token"),
        (lambda pod, trainer: pod["volumes"].append(_token()), "without a token"),
        (lambda pod, trainer: pod["volumes"].append(_secret("luthier-mlflow")), "a volume is not allowed"),
        (
            lambda pod, trainer: pod["volumes"].append(
                {"name": "x", "persistentVolumeClaim": {"claimName": "mlflow-artifacts"}}
            ),
            "a volume is not allowed",
        ),
        (lambda pod, trainer: trainer["env"].append(_env("luthier-mlflow")), "a Secret or ConfigMap is not allowed"),
        (
            lambda pod, trainer: trainer["envFrom"].append({"secretRef": {"name": "luthier-mlflow"}}),
            "a Secret or ConfigMap is not allowed",
        ),
        (lambda pod, trainer: pod.update(imagePullSecrets=[{"name": "other"}]), "a Secret or ConfigMap is not allowed"),
        (lambda pod, trainer: trainer.update(image="busybox:1"), "expected LUTHIER_TRAIN_IMAGE"),
        (lambda pod, trainer: trainer.update(command=["sh", "-c"]), "with the command luthier train"),
        (lambda pod, trainer: trainer.update(args=["jobs"]), "with the command luthier train"),
        (lambda pod, trainer: trainer.update(args=[]), "with the command luthier train"),
        (
            lambda pod, trainer: trainer.update(lifecycle={"postStart": {"exec": {"command": ["sh"]}}}),
            "with the command luthier train",
        ),
        (lambda pod, trainer: pod["containers"].append({**trainer, "name": "second"}), "expected one container"),
        (lambda pod, trainer: pod.update(initContainers=[{**trainer, "name": "first"}]), "expected one container"),
        (
            lambda pod, trainer: trainer["env"].append({"name": "PYTHONPATH", "value": "/tmp"}),
            "an environment variable is not allowed",
        ),
    ],
)
def test_another_job_is_refused(create, images, change, said):
    assert said in create(_changed(images, change))


def test_so_is_a_job_that_is_no_training(create, images):
    job = overlay.job("sort", images.data)
    job["metadata"] = {"name": "other", "labels": job["metadata"]["labels"]}
    assert "is no training" in create(job)


def test_who_may_create_pods_is_not_held(create, cluster, images):
    from kubernetes import client

    client.BatchV1Api(cluster.api).create_namespaced_job(
        cluster.namespace, overlay.job("sort", images.data), dry_run="All"
    )
