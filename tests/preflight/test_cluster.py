"""The checks of a cluster: what they find on one, and that no answer of a server breaks them."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import yaml

from components.core.errors import InputError, StepError
from components.launch.request import Placement, TrainingRequest
from components.preflight import permissions
from components.preflight.capacity import check_nodes, check_quotas, gpu_models
from components.preflight.cluster import check_job, check_namespace, check_version
from components.preflight.finding import Check, Status, run_checks
from components.preflight.hours import check_hours
from components.preflight.image import COMMAND, NAME, check_image
from components.preflight.service import check_service, service_of
from components.preflight.training import check_training, sample_job
from tests.preflight.conftest import REVIEWS, WHO_AM_I

MANIFESTS = Path(__file__).parents[2] / "manifests"
ACCOUNTS = MANIFESTS / "base" / "accounts.yaml"


def only(findings):
    (finding,) = findings
    return finding


def job(cluster, **placement):
    placement = Placement(**{"image": "trainer:1", **placement})
    return sample_job(cluster.api(), "gs://bucket/ws", "string", "harmonic", "smoke", [], placement)


def test_versions_of_kubernetes(cluster):
    found = {}
    for version in ("v1.34.4", "v1.31.0-gke.1", "1.30.9", "v1.37.1", "v2.0.0", "nginx", 7):
        cluster.answers["/version"] = {"gitVersion": version}
        found[version] = only(check_version(cluster.api())).status
    assert found == {
        **{"v1.34.4": Status.OK, "v1.31.0-gke.1": Status.OK, "1.30.9": Status.WRONG, "v1.37.1": Status.NOTE},
        **{"v2.0.0": Status.NOTE, "nginx": Status.WRONG, 7: Status.WRONG},
    }


def test_the_namespace(cluster):
    path = "/api/v1/namespaces/luthier"
    assert only(check_namespace(cluster.api())).status is Status.OK
    cluster.answers[path] = {"status": {"phase": "Terminating"}}
    assert "is being deleted" in only(check_namespace(cluster.api())).text
    cluster.answers[path] = 403
    assert only(check_namespace(cluster.api())).status is Status.NOTE
    cluster.answers[path] = 404
    missing = only(check_namespace(cluster.api()))
    assert missing.status is Status.WRONG and "apply manifests/base" in missing.advice


def test_what_a_launcher_needs_is_the_role_of_the_manifests():
    role = next(each for each in yaml.safe_load_all(ACCOUNTS.read_text()) if each["kind"] == "Role")
    of_role = {
        (rule["apiGroups"][0], resource, verb, *rule.get("resourceNames", []))
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    ours = {
        (each.group, each.resource, verb, *filter(None, [each.name]))
        for each in permissions.LAUNCHER
        for verb in each.verbs
    }
    assert ours <= of_role


def test_permissions_are_named(cluster):
    assert only(permissions.check_own(cluster.api())).status is Status.OK
    cluster.denied = {"create jobs", "get pods/log"}
    own = only(permissions.check_own(cluster.api()))
    assert own.text == "you may not create jobs, get pods/log in namespace 'luthier'"
    cluster.answers[WHO_AM_I] = {"status": {"userInfo": {"username": "system:serviceaccount:kubeflow:pipeline-runner"}}}
    of_pod = only(permissions.check_own(cluster.api()))
    assert of_pod.text.startswith("the service account kubeflow:pipeline-runner may not create jobs, get pods/log in ")
    assert of_pod.advice.endswith("--role=luthier-launcher --serviceaccount=kubeflow:pipeline-runner")
    steps = only(permissions.check_account(cluster.api(), "kubeflow", "pipeline-runner"))
    assert steps.advice.endswith("--role=luthier-launcher --serviceaccount=kubeflow:pipeline-runner")
    cluster.answers["/apis/authorization.k8s.io/v1/subjectaccessreviews"] = 403
    unknown = only(permissions.check_account(cluster.api(), "kubeflow", "pipeline-runner"))
    assert unknown.status is Status.NOTE
    cluster.answers[REVIEWS] = {"status": {"allowed": "yes"}}
    unclear = only(run_checks([Check("permissions", lambda: permissions.check_own(cluster.api()))]))
    assert unclear.status is Status.WRONG and "has no answer" in unclear.text


def test_an_image_is_tried_by_a_job_that_is_deleted(cluster):
    running = copy.deepcopy(cluster.recorded["pod-without-image"])
    running["status"]["containerStatuses"][0]["state"] = {"terminated": {"exitCode": 0}}
    cluster.pods = [running]
    assert only(check_image(cluster.api(), job(cluster))).text == "trainer:1 can be pulled"
    (created,) = cluster.created
    pod = created["spec"]["template"]["spec"]
    assert cluster.deleted == [created["metadata"]["name"]]
    assert pod["containers"][0]["command"] == list(COMMAND) and "volumes" not in pod
    assert "nvidia.com/gpu" not in str(pod["containers"][0]["resources"])
    assert created["metadata"]["labels"]["app.kubernetes.io/name"] != "luthier-trainer"  # `luthier jobs` lists those


def test_an_image_of_another_commit_is_noted(cluster, monkeypatch):
    ended = copy.deepcopy(cluster.recorded["pod-without-image"])
    cluster.pods = [ended]

    def found(message):
        terminated = {"exitCode": 0, "message": message}
        ended["status"]["containerStatuses"][0]["state"] = {"terminated": terminated}
        return only(check_image(cluster.api(), job(cluster)))

    monkeypatch.setenv("LUTHIER_GIT_COMMIT", "a" * 40)
    same = found("a" * 40 + "-dirty")
    assert same.status is Status.OK and same.text == "trainer:1 can be pulled, of commit aaaaaaaaaaaa"
    other = found("b" * 40)
    assert other.status is Status.NOTE
    assert other.text.endswith("of commit bbbbbbbbbbbb, and what checks it is of commit aaaaaaaaaaaa")
    for unknown in ("", "sh: not found", "b" * 4000):
        assert found(unknown).text == "trainer:1 can be pulled"


def test_a_policy_allows_the_pod_of_the_check_and_both_commands_that_train():
    """The policy itself is tried on a real server, in tests/cluster."""
    policy = yaml.safe_load((MANIFESTS / "components/job-policy/policy.yaml").read_text().split("---")[0])
    check = next(each["expression"] for each in policy["spec"]["variables"] if each["name"] == "isCheck")
    assert f"== ['{COMMAND[0]}', '{COMMAND[1]}', '{COMMAND[2]}']" in check and f"'{NAME}'" in check
    commands = re.search(r"orValue\(''\) in (\[.*?\])", policy["spec"]["validations"][1]["expression"])
    assert commands and set(yaml.safe_load(commands[1])) == {
        TrainingRequest("r", "string", "harmonic", "d", "0", "o", "smoke", (), evaluates=evaluates).arguments()[0]
        for evaluates in (False, True)
    }


def test_an_image_that_cannot_be_pulled(cluster):
    broken = cluster.recorded["pod-without-image"]
    cluster.pods = [broken]
    network = only(check_image(cluster.api(), job(cluster)))
    assert network.status is Status.SILENT and "i/o timeout" in network.text
    waiting = broken["status"]["containerStatuses"][0]["state"]["waiting"]
    waiting["message"] = 'failed to resolve reference "docker.io/library/x:1": x:1: not found'
    missing = only(check_image(cluster.api(), job(cluster)))
    assert missing.status is Status.WRONG and "not found" in missing.text and "imagePullSecrets" in missing.advice
    del broken["status"]["containerStatuses"]  # still being pulled
    slow = only(check_image(cluster.api(), job(cluster), limit_s=0.1))
    assert slow.status is Status.NOTE and "was not refused" in slow.text
    broken["status"] |= {"phase": "Failed", "reason": "OutOfcpu", "message": "Node didn't have enough resource"}
    refused = only(check_image(cluster.api(), job(cluster), limit_s=0.1))
    assert refused.status is Status.NOTE and "enough resource" in refused.text
    cluster.pods = []
    none = only(check_image(cluster.api(), job(cluster), limit_s=0.1))
    assert "no pod was created" in none.text
    assert len(cluster.deleted) == len(cluster.created) == 5


def test_quotas(cluster):
    path = "/api/v1/namespaces/luthier/resourcequotas"
    gpu = job(cluster, gpus=1)
    assert only(check_quotas(cluster.api(), gpu, 6)).text == "namespace 'luthier' has none"
    cluster.answers[path] = cluster.recorded["quotas"]
    assert "is too small: a training requests" in only(check_quotas(cluster.api(), job(cluster, gpus=3), 6)).text
    hard = cluster.recorded["quotas"]["items"][0]["spec"]["hard"]
    hard["requests.cpu"] = "64"
    assert "room for 2 of 6 trainings at a time" in only(check_quotas(cluster.api(), gpu, 6)).text
    assert only(check_quotas(cluster.api(), gpu, 2)).status is Status.OK
    hard["requests.nvidia.com/gpu"] = {"hostile": True}
    assert only(check_quotas(cluster.api(), gpu, 6)).status is Status.OK
    cluster.answers[path] = 403
    assert only(check_quotas(cluster.api(), gpu, 6)).status is Status.NOTE


def test_nodes_and_gpus(cluster):
    node = cluster.answers["/api/v1/nodes"]["items"][0]
    node["metadata"]["labels"]["nvidia.com/gpu.product"] = "NVIDIA-L4"
    node["status"]["allocatable"] |= {"cpu": "32", "memory": "128Gi"}
    found = only(check_nodes(cluster.api(), job(cluster, gpus=2), 6))
    assert "1 of 1 with NVIDIA-L4 can take a training" in found.text and found.text.endswith(
        "at most 2 at a time, of 6"
    )
    assert gpu_models(cluster.api()) == ["NVIDIA-L4"]
    large = only(check_nodes(cluster.api(), job(cluster, gpus=8), 6))
    assert large.status is Status.WRONG and "the most that one has is" in large.text and "gpu=4" in large.text
    cluster.answers["/apis/karpenter.sh"] = {"versions": []}
    assert "autoscaler" in only(check_nodes(cluster.api(), job(cluster, gpus=8), 6)).text
    one = job(cluster, gpus=1)
    for change in (
        {"spec": {"unschedulable": True}},
        {"spec": {"taints": [{"key": "dedicated", "value": "x", "effect": "NoSchedule"}]}},
        {"status": {"allocatable": {"cpu": "many"}, "conditions": node["status"]["conditions"]}},
        {"status": {"allocatable": node["status"]["allocatable"], "conditions": "none"}},
    ):
        cluster.answers["/api/v1/nodes"] = {"items": [{**node, **change}]}
        assert "none of 1 is large enough" in only(check_nodes(cluster.api(), one, 6)).text, change
    cluster.answers["/api/v1/nodes"] = {"items": [{**node, "spec": {"taints": [{"key": "nvidia.com/gpu"}]}}]}
    tainted = only(check_nodes(cluster.api(), one, 1))
    assert tainted.status is Status.NOTE and "have the taint nvidia.com/gpu, which" in tainted.text
    one["spec"]["template"]["spec"]["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    assert only(check_nodes(cluster.api(), one, 1)).status is Status.OK


def test_a_job_that_the_server_would_refuse(cluster):
    assert only(check_job(cluster.api(), job(cluster))).status is Status.OK and not cluster.created
    with pytest.raises(InputError, match="has no Kueue"):
        list(check_job(cluster.api(), job(cluster, queue="gpus")))
    kueue = "/apis/kueue.x-k8s.io"
    queues = f"{kueue}/v1beta1/namespaces/luthier/localqueues"
    cluster.answers[kueue] = {"preferredVersion": {"version": "v1beta1"}}
    cluster.answers[queues] = {"items": [{"metadata": {"name": "gpus"}}]}
    condition = {"type": "Active", "status": "False", "message": "Can't submit new workloads to clusterQueue"}
    cluster.answers[f"{queues}/gpus"] = {"status": {"conditions": [condition]}}
    with pytest.raises(InputError, match="LocalQueue 'other'; it has gpus"):
        list(check_job(cluster.api(), job(cluster, queue="other")))
    queue, accepted = check_job(cluster.api(), job(cluster, queue="gpus"))
    assert queue.status is Status.WRONG and "starts no Jobs: Can't submit" in queue.text
    assert accepted.status is Status.OK
    cluster.answers["/apis/batch/v1/namespaces/luthier/jobs"] = 422
    with pytest.raises(InputError, match="refuses the request"):
        list(check_job(cluster.api(), job(cluster)))


def test_a_cluster_without_the_template_is_one_line(cluster):
    cluster.answers.pop("/api/v1/namespaces/luthier/configmaps/luthier-training-job")
    found = only(run_checks([Check("job", lambda: check_training(cluster.api(), lambda: job(cluster), 6))]))
    assert found.status is Status.WRONG and "has no ConfigMap 'luthier-training-job'" in found.text


@pytest.mark.parametrize("answer", [[], "text", None, {"items": 7}, {"items": [7, {"metadata": 1}]}, b"{", 500])
def test_hostile_answers_end_in_one_finding_each(cluster, answer):
    wanted = job(cluster)
    for path in (
        "/version",
        "/api/v1/nodes",
        "/api/v1/namespaces/luthier/resourcequotas",
        "/api/v1/namespaces/luthier",
    ):
        cluster.answers[path] = answer
    checks = [
        Check("kubernetes", lambda: check_version(cluster.api())),
        Check("namespace", lambda: check_namespace(cluster.api())),
        Check("nodes", lambda: check_nodes(cluster.api(), wanted, 6)),
        Check("quota", lambda: check_quotas(cluster.api(), wanted, 6)),
    ]
    found = run_checks(checks)
    assert [each.check for each in found] == ["kubernetes", "namespace", "nodes", "quota"]
    assert found[0].failed and all("\n" not in each.text for each in found)


def test_a_server_that_is_away(cluster):
    cluster.url = "http://127.0.0.1:9"
    with pytest.raises(StepError, match="has not answered"):
        list(check_version(cluster.api()))


def test_gpu_hours():
    synths = ["harmonic", "sinusoidal", "wavetable"]
    known = only(check_hours("standard", [], synths, 2, 1, ["NVIDIA-H100-80GB-HBM3"]))
    expected = 2 * 30_000 * (1 / 27.6 + 1 / 17.2 + 1 / 19.9) / 3600
    assert known.text == (f"at most {expected:.1f} on NVIDIA-H100-80GB-HBM3: 6 trainings of at most 30,000 steps")
    longer = only(check_hours("standard", ["train.max_steps = 300"], ["harmonic"], 1, 4, ["H100"]))
    assert longer.text.startswith(f"at most {4 * 300 / 27.6 / 3600:.1f} on H100: 1 training of at most 300 steps")
    unknown = only(check_hours("standard", [], synths, 2, 1, ["NVIDIA-L4"]))
    assert unknown.status is Status.NOTE and f"on H100 at most {expected:.1f}" in unknown.text
    assert "whose model no node names" in only(check_hours("vst", [], synths, 2, 1, [])).text
    assert "none: 6 trainings" in only(check_hours("standard", [], synths, 2, 0, [])).text
    for binding in ("train.batch_size = 4", "RnnFcDecoder.ch = 16", "train.precision = 'bfloat16'"):
        assert "do not hold" in only(check_hours("standard", [binding], synths, 2, 1, ["H100"])).text
    with pytest.raises(InputError, match="is refused"):
        list(check_hours("standard", ["train.max_steps = @os.system()"], synths, 2, 1, []))


def test_a_service_stands_for_a_url_of_the_cluster(cluster):
    assert service_of("http://mlflow:5000", "kubeflow") == ("mlflow", "kubeflow")
    assert service_of("http://mlflow.luthier:5000", "x") == ("mlflow", "luthier")
    assert service_of("http://mlflow.luthier.svc.cluster.local:5000", "x") == ("mlflow", "luthier")
    for url in (
        "https://mlflow.example.com",
        "http://10.0.0.1:5000",
        "http://localhost:5000",
        "http://[::1]:5000",
        "x",
        "http://[:",
    ):
        assert service_of(url, "x") is None, url
    url = "http://mlflow.luthier:5000"
    cluster.answers["/api/v1/namespaces/luthier/services/mlflow"] = {}
    slices = "/apis/discovery.k8s.io/v1/namespaces/luthier/endpointslices"
    cluster.answers[slices] = cluster.recorded["slices"]
    assert only(check_service(cluster.api(), "registry", url, "mlflow", "luthier")).status is Status.OK
    cluster.answers[slices] = {"items": [{"endpoints": [{"conditions": {"ready": False}}]}]}
    assert "has no pod that is ready" in only(check_service(cluster.api(), "registry", url, "mlflow", "luthier")).text
    cluster.answers[slices] = 403
    assert only(check_service(cluster.api(), "registry", url, "mlflow", "luthier")).status is Status.NOTE
