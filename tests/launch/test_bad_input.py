"""Mistakes of users and operators: each is one line that says what to do."""

import json

import pytest
import yaml

from tests.launch.api_rules import RefusedError
from tests.launch.conftest import TEMPLATE


def test_no_permission_to_create_jobs(controllers, server, refused, arguments):
    server.role.discard(("create", "jobs"))
    line = refused(*arguments)
    assert "'luthier:luthier-launcher' may not create jobs in namespace 'luthier'" in line
    assert "expected a Role there with verb create on jobs" in line


@pytest.mark.parametrize(
    ("verb", "resource"), [("list", "jobs"), ("watch", "jobs"), ("list", "pods"), ("watch", "pods")]
)
def test_no_permission_to_follow_one(controllers, server, refused_after_creation, arguments, verb, resource):
    server.role.discard((verb, resource))
    assert f"'luthier:luthier-launcher' may not {verb} {resource}" in refused_after_creation(*arguments)


def test_no_permission_to_read_the_template(server, refused, arguments):
    server.role.discard(("get", "configmaps"))
    assert "may not get configmaps" in refused(*arguments)


def test_no_such_namespace(controllers, refused, arguments):
    line = refused(*arguments, "--namespace", "music", "--template", TEMPLATE)
    assert "there is no namespace 'music'" in line
    assert "kubectl apply -k manifests/base" in line


def test_no_template_in_the_namespace(server, refused, arguments):
    line = refused(*arguments, "--namespace", "music")
    assert "namespace 'music' has no ConfigMap 'luthier-training-job'" in line


def test_nothing_names_an_image(server, refused, arguments):
    line = refused(*arguments[: arguments.index("--image")])
    assert "there is no image for the trainer: expected --image" in line


def test_the_quota_of_jobs_is_exceeded(controllers, server, refused, arguments):
    message = 'jobs.batch "x" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1, used: 5, limited: 5'

    def admission(collection, body):
        raise RefusedError(403, "Forbidden", message)

    server.admission = admission
    assert "refuses the request: jobs.batch" in refused(*arguments)
    assert "exceeded quota: jobs" in refused(*arguments)


def test_a_field_of_the_template_that_kubernetes_does_not_know(controllers, server, refused, arguments):
    template = server.read("configmaps", "luthier-training-job")
    template["data"]["patch.yaml"] = "spec: {template: {spec: {nodeSelektor: {gpu: a100}}}}"
    server.put("configmaps", template)
    assert "nodeSelektor" in refused(*arguments)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "has no training-job.yaml, the template of the Job; it has nothing"),
        ({"training-job.yaml": "a: [1"}, "training-job.yaml of 'TEMPLATE' is not YAML, line 1"),
        ({"training-job.yaml": "- a"}, "is a list, expected a Job or a patch of one"),
        ({"training-job.yaml": "{apiVersion: v1, kind: Pod}"}, "is a v1 Pod, expected a batch/v1 Job"),
        ({"training-job.yaml": "{apiVersion: batch/v1, kind: Job}"}, "has no list of named containers"),
        (
            {"training-job.yaml": TEMPLATE.read_text().replace("name: trainer", "name: main")},
            "has no container 'trainer'; it has main",
        ),
        ({"training-job.yaml": TEMPLATE.read_text(), "p.yaml": "{a"}, "p.yaml of 'TEMPLATE' is not YAML"),
    ],
)
def test_templates(server, refused, arguments, tmp_path, files, expected):
    folder = tmp_path / "template"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    assert expected.replace("TEMPLATE", str(folder)) in refused(*arguments, "--template", folder)
    assert server.count("create", "jobs") == 0


def test_a_template_that_is_not_there(server, refused, arguments, tmp_path):
    assert "no.yaml': No such file" in refused(*arguments, "--template", tmp_path / "no.yaml")


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--run", "x" * 64, "is too long for a label: it has 64 characters, expected at most 63"),
        ("--run", "my run", "--run 'my run' cannot be a label: expected letters, digits"),
        ("--run", "-a", "cannot be a label"),
        ("--queue", "a b", "--queue 'a b' cannot be a label"),
        ("--synth", "harmonics", "did you mean 'harmonic'?"),
        ("--family", "strings", "did you mean 'string'?"),
        ("--family", "organ", "has no organ in its train split; it has bass, string"),
        ("--preset", "smok", "did you mean 'smoke'?"),
        ("--set", "train.max_steps", "cannot be read"),
        ("--data", "/nowhere", "'/nowhere' is not a sorted set"),
        ("--nodes", "0", "--nodes is 0, expected 1 or more"),
        ("--gpus", "-1", "--gpus is -1, expected 0 or more"),
        ("--on-terminate", "kill", "'kill' is not one of 'suspend', 'delete', 'leave'"),
        ("--context", "there", "Expected object with name there"),
    ],
)
def test_options(server, refused, arguments, option, value, expected):
    assert expected in refused(*arguments, option, value)
    assert server.count("create", "jobs") == 0


def test_credentials_that_are_not_accepted(server, refused, arguments, tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(path.read_text().replace("launcher-token", "old-token"))
    assert "does not accept the credentials (HTTP 401): log in again" in refused(*arguments)


def test_no_cluster_at_all(refused, arguments, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    line = refused(*arguments)
    assert "cannot connect to a cluster with the kubeconfig" in line
    assert "KUBECONFIG and --context" in line


def test_a_pod_without_a_token(refused, arguments, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    line = refused(*arguments)
    assert "cannot connect to a cluster with this pod's service account: Service token file does not exist" in line
    assert "automountServiceAccountToken: true" in line


def test_a_server_that_speaks_no_tls(server, refused, arguments, tmp_path):
    path = tmp_path / "kubeconfig"
    config = json.loads(path.read_text())
    config["clusters"][0]["cluster"]["server"] = server.url.replace("http:", "https:")
    path.write_text(yaml.safe_dump(config))
    assert "answers without TLS" in refused(*arguments)


@pytest.mark.parametrize(
    ("mounts", "volumes", "option"),
    [
        ([], [], "--data"),
        ([{"name": "tmp", "mountPath": "/"}], [{"name": "tmp", "emptyDir": {}}], "--data"),  # gone with its pod
        (["data"], [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}], "--out"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_path_that_the_pod_does_not_have_is_refused(
    arguments, refused, server, sorted_set, mounts, volumes, option, more
):
    mounts = [{"name": "data", "mountPath": str(sorted_set)} if mount == "data" else mount for mount in mounts]
    template = yaml.safe_load(TEMPLATE.read_text())
    pod = template["spec"]["template"]["spec"]
    pod["volumes"] = volumes
    pod["containers"][0]["volumeMounts"] = mounts
    data = {"training-job.yaml": yaml.safe_dump(template)}
    server.put("configmaps", {"metadata": {"name": "luthier-training-job"}, "data": data})
    line = refused(*arguments, *more)
    assert f"{option} '" in line and "expected gs://bucket/prefix" in line
    assert not server.count("create", "jobs")
