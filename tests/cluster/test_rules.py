"""What the cluster allows and what it refuses: rights, Pod Security, and every overlay on a real server."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from tests.cluster import overlay
from tests.cluster.cluster import Cluster
from tests.cluster.trainings import PULL_S, START_S
from tests.manifests.rendering import render

pytestmark = pytest.mark.cluster

OF_OPERATORS = {"kueue.x-k8s.io", "monitoring.coreos.com"}  # whose definitions a cluster may not have
# verb, API group, resource, subresource, name
MAY = [(verb, "batch", "jobs", "", "") for verb in ("get", "list", "watch", "create", "patch", "delete")]
MAY += [(verb, "", "pods", "", "") for verb in ("get", "list", "watch")]
MAY += [("get", "", "pods", "log", ""), ("list", "", "events", "", "")]
MAY += [("get", "", "configmaps", "", "luthier-training-job")]
MAY_NOT = [
    ("update", "batch", "jobs", "", ""),
    ("deletecollection", "batch", "jobs", "", ""),
    ("create", "", "pods", "", ""),
    ("delete", "", "pods", "", ""),
    ("create", "", "pods", "exec", ""),
    ("get", "", "secrets", "", "luthier-mlflow"),
    ("list", "", "secrets", "", ""),
    ("get", "", "configmaps", "", "luthier-config"),
    ("list", "", "configmaps", "", ""),
    ("create", "", "serviceaccounts", "token", ""),
    ("create", "rbac.authorization.k8s.io", "rolebindings", "", ""),
    ("list", "", "nodes", "", ""),
]
REVIEW = """
import json, sys
from kubernetes import client, config
config.load_incluster_config()
api = client.AuthorizationV1Api()
names = ("namespace", "verb", "group", "resource", "subresource", "name")
for asked in json.loads(sys.argv[1]):
    spec = {"resourceAttributes": dict(zip(names, asked))}
    review = api.create_self_subject_access_review({"spec": spec})
    print("review", json.dumps([asked, review.status.allowed]), flush=True)
"""
LOOK_FOR_A_TOKEN = """
import pathlib
print("token", pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount/token").exists())
"""


def test_the_launcher_may_what_it_must_and_no_more(cluster, images):
    here = [[cluster.namespace, *rule] for rule in MAY + MAY_NOT]
    elsewhere = [["default", *rule] for rule in MAY]
    name = cluster.create_job(overlay.script(images.data, "luthier-launcher", REVIEW, json.dumps(here + elsewhere)))
    cluster.wait_for_end(name, PULL_S)
    told = [json.loads(line[7:]) for line in cluster.job_log(name).splitlines() if line.startswith("review ")]
    allowed = [tuple(asked) for asked, is_allowed in told if is_allowed]
    assert len(told) == len(here + elsewhere)
    assert allowed == [(cluster.namespace, *rule) for rule in MAY]


@pytest.mark.parametrize("account", ["luthier-trainer", "luthier-data"])
def test_trainers_and_data_steps_have_no_token_and_no_rights(cluster, images, account):
    from kubernetes import client

    name = cluster.create_job(overlay.script(images.data, account, LOOK_FOR_A_TOKEN))
    cluster.wait_for_end(name, PULL_S)
    assert "token False" in cluster.job_log(name)
    api, user = client.AuthorizationV1Api(cluster.api), f"system:serviceaccount:{cluster.namespace}:{account}"
    for verb, group, resource, subresource, called in MAY + MAY_NOT:
        attributes = {"namespace": cluster.namespace, "verb": verb, "group": group, "resource": resource}
        attributes |= {"subresource": subresource, "name": called}
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{cluster.namespace}", "system:authenticated"]
        spec = {"user": user, "groups": groups, "resourceAttributes": attributes}
        assert not api.create_subject_access_review({"spec": spec}).status.allowed, attributes


@pytest.mark.parametrize(
    ("named", "pod", "container"),
    [
        ("runAsNonRoot", {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}, {}),
        ("privileged", {}, {"securityContext": {"privileged": True}}),
        ("hostPath", {"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}, {}),
        ("hostNetwork|host namespaces", {"hostNetwork": True}, {}),
    ],
)
def test_pod_security_refuses_a_pod_that_is_not_restricted(cluster, images, named, pod, container):
    from kubernetes import client
    from kubernetes.client.exceptions import ApiException

    spec = {"containers": [{"name": "bad", "image": images.data, **container}], **pod}
    body = {"metadata": {"generateName": "bad-"}, "spec": spec}
    with pytest.raises(ApiException) as refused:
        client.CoreV1Api(cluster.api).create_namespaced_pod(cluster.namespace, body, dry_run="All")
    assert refused.value.status == 403
    message = json.loads(refused.value.body)["message"]  # in the body, JSON escapes its quotes
    assert 'violates PodSecurity "restricted' in message
    assert any(word in message for word in named.split("|"))


@pytest.fixture(scope="module")
def scratch() -> Iterator[Cluster]:
    """An empty namespace, for what is only asked whether it would do."""
    from kubernetes import client

    empty = Cluster(f"luthier-dry-{uuid.uuid4().hex[:8]}")
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    client.CoreV1Api(empty.api).create_namespace({"metadata": {"name": empty.namespace, "labels": levels}})
    yield empty
    empty.delete_namespace(START_S)


@pytest.mark.parametrize("of", ["base", *(f"overlays/{name}" for name in ("kind", "gke", "kueue", "monitoring"))])
def test_the_server_would_take_every_object(scratch, tmp_path, of):
    from kubernetes.dynamic import DynamicClient
    from kubernetes.dynamic.exceptions import ResourceNotFoundError

    dynamic, absent, taken = DynamicClient(scratch.api), set(), 0
    for item in render(str(overlay.moved(of, scratch.namespace, tmp_path))):
        try:
            kind = dynamic.resources.get(api_version=item["apiVersion"], kind=item["kind"])
        except ResourceNotFoundError:
            absent.add(item["apiVersion"].partition("/")[0])
            continue
        answer = dynamic.server_side_apply(
            kind,
            body=item,
            namespace=item["metadata"].get("namespace"),
            field_manager="luthier-test",
            dry_run="All",
            force_conflicts=True,
            serialize=False,
        )
        assert "would violate PodSecurity" not in answer.headers.get("Warning", ""), item["metadata"]["name"]
        taken += 1
    assert absent <= OF_OPERATORS
    assert taken or absent
