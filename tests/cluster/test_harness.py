"""The harness itself, without a cluster: what it installs, and what it says when something does not happen."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from components.launch.template import container_of
from tests.cluster import cluster as clusters
from tests.cluster import overlay
from tests.cluster.cluster import GPU, Cluster
from tests.cluster.overlay import Images
from tests.manifests.rendering import of_kind, pod_templates, render, training_job

IMAGES = Images("registry:5000/luthier/data:v7", "registry:5000/luthier/train@sha256:" + "a" * 64)
TRAINING = "luthier-r1-string-harmonic"


class Server:
    """Answers of an API server, by path; `requests` has what was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, object] = defaultdict(lambda: {"items": []})
        self.requests: list[tuple[str, str, dict]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                path = urlsplit(self.path).path
                server.requests.append((self.command, path, parse_qs(urlsplit(self.path).query)))
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = server.answers[path]
                answer = answer() if callable(answer) else answer
                self.send_response(404 if answer is None else 200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(answer.encode() if isinstance(answer, str) else json.dumps(answer).encode())

            do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - as the base class wants them

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()


@pytest.fixture
def server(tmp_path, monkeypatch):
    started = Server()
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": started.url}}],
        "users": [{"name": "me", "user": {"token": "secret"}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    # The client has read the variable already when it was imported.
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))
    monkeypatch.setattr(clusters, "POLL_S", 0.01)
    yield started
    started.close()


@pytest.fixture
def cluster(server):
    return Cluster("test")


def _job(*conditions: tuple[str, str]) -> dict:
    listed = [{"type": kind, "status": "True", "reason": "R", "message": said} for kind, said in conditions]
    return {"metadata": {"name": TRAINING}, "spec": {}, "status": {"active": 1, "conditions": listed}}


def _put_a_stuck_pod(server: Server) -> None:
    pod = {
        "metadata": {"name": f"{TRAINING}-x7k2p", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {
            "phase": "Pending",
            "conditions": [
                {"type": "PodScheduled", "status": "False", "message": "0/3 nodes: Insufficient nvidia.com/gpu"}
            ],
            "containerStatuses": [
                {"name": "trainer", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
            ],
        },
    }
    event = {
        "metadata": {"name": "e"},
        "lastTimestamp": "2026-01-01T00:00:01Z",
        "involvedObject": {"kind": "Pod", "name": f"{TRAINING}-x7k2p"},
        "reason": "FailedScheduling",
        "message": "no nodes available",
    }
    server.answers["/apis/batch/v1/namespaces/test/jobs"] = {"items": [_job()]}
    server.answers[f"/apis/batch/v1/namespaces/test/jobs/{TRAINING}"] = _job()
    server.answers["/api/v1/namespaces/test/pods"] = {"items": [pod]}
    server.answers["/api/v1/namespaces/test/events"] = {"items": [event]}
    server.answers[f"/api/v1/namespaces/test/pods/{TRAINING}-x7k2p/log"] = "first line\nlast words\n"


def test_a_wait_ends_and_tells_the_state_of_everything(server, cluster):
    _put_a_stuck_pod(server)
    with pytest.raises(AssertionError) as in_vain:
        cluster.wait_for_end(TRAINING, 0.1)
    said = str(in_vain.value)
    assert said.startswith(f"not within 0 s: Job {TRAINING} is complete")
    for part in (
        "active 1",
        "Pending; PodScheduled: 0/3 nodes: Insufficient nvidia.com/gpu; trainer waiting ImagePullBackOff no such image",
        f"Pod/{TRAINING}-x7k2p FailedScheduling: no nodes available",
        "last words",
    ):
        assert part in said


def test_a_wait_ends_at_once_when_the_job_has_failed(server, cluster):
    _put_a_stuck_pod(server)
    server.answers[f"/apis/batch/v1/namespaces/test/jobs/{TRAINING}"] = _job(("Failed", "exit code 2"))
    with pytest.raises(AssertionError, match="failed, so this will not happen: the log of Job"):
        cluster.wait_for_log(TRAINING, "goes on", 60)


def test_a_wait_goes_on_until_it_happens(server, cluster):
    states = iter([_job(), _job(), _job(("Complete", ""))])
    server.answers[f"/apis/batch/v1/namespaces/test/jobs/{TRAINING}"] = lambda: next(states)
    cluster.wait("it is complete", lambda: cluster.is_complete(TRAINING), 120)


def test_the_log_of_a_pod_that_has_not_started_is_empty(server, cluster):
    server.answers["/api/v1/namespaces/test/pods/starting/log"] = None
    assert cluster.log("starting") == ""


def test_a_kill_leaves_no_time_to_save(server, cluster):
    server.answers["/api/v1/namespaces/test/pods/victim"] = {"metadata": {"name": "victim"}}
    cluster.kill("victim")
    assert server.requests == [("DELETE", "/api/v1/namespaces/test/pods/victim", {"gracePeriodSeconds": ["0"]})]


def test_cancelling_waits_until_the_pods_are_gone_and_may_be_repeated(server, cluster):
    pods = iter([{"items": [{"metadata": {"name": "p", "creationTimestamp": ""}}]}, {"items": []}, {"items": []}])
    jobs = iter([_job(), None, None, None, None])  # deleted, read, read; deleted, read
    server.answers[f"/apis/batch/v1/namespaces/test/jobs/{TRAINING}"] = lambda: next(jobs)
    server.answers["/api/v1/namespaces/test/pods"] = lambda: next(pods)
    cluster.cancel(10, TRAINING)
    cluster.cancel(10, TRAINING)
    assert [next(pods, "none"), next(jobs, "none")] == ["none", "none"]


@pytest.mark.parametrize(("allocatable", "expected"), [({GPU: "2"}, True), ({GPU: "0"}, False), ({}, False)])
def test_gpus_are_found_where_a_node_has_some_to_give(server, cluster, allocatable, expected):
    server.answers["/api/v1/nodes"] = {"items": [{"status": {}}, {"status": {"allocatable": allocatable}}]}
    assert cluster.has_gpus() is expected


def test_cleaning_up_waits_until_the_namespace_is_gone(server, cluster):
    states = iter([{"metadata": {"name": "test"}}, {"metadata": {"name": "test"}}, None])
    server.answers["/api/v1/namespaces/test"] = lambda: next(states)
    cluster.delete_namespace()
    assert next(states, "gone") == "gone"


def test_a_namespace_that_stays_is_told(server, cluster):
    server.answers["/api/v1/namespaces/test"] = {"metadata": {"name": "test"}, "status": {"phase": "Terminating"}}
    with pytest.raises(AssertionError, match="still there after 0 s"):
        cluster.delete_namespace(0.1)


@pytest.mark.parametrize("has_gpus", [True, False])
def test_the_overlay_has_the_images_and_a_gpu_where_there_are_some(tmp_path, has_gpus):
    items = render(str(overlay.write(tmp_path, "luthier-test-1", IMAGES, has_gpus)))
    assert {item["metadata"].get("namespace", "luthier-test-1") for item in items} == {"luthier-test-1"}
    assert list(of_kind(items, "Namespace")) == ["luthier-test-1"]
    used = {c["image"] for pod in pod_templates(items).values() for c in pod["spec"]["containers"]}
    assert used == {IMAGES.data, IMAGES.train}
    trainer = container_of(training_job(items))
    assert (
        trainer["image"] == IMAGES.train == of_kind(items, "ConfigMap")["luthier-config"]["data"]["LUTHIER_TRAIN_IMAGE"]
    )
    assert trainer["resources"]["limits"].get(GPU) == (1 if has_gpus else None)


@pytest.mark.parametrize("of", ["base", "overlays/kind", "overlays/gke", "overlays/kueue", "overlays/monitoring"])
def test_every_overlay_can_be_moved_into_a_namespace(tmp_path, of):
    items = render(str(overlay.moved(of, "luthier-dry-1", tmp_path)))
    assert {item["metadata"].get("namespace", "luthier-dry-1") for item in items} == {"luthier-dry-1"}


@pytest.mark.parametrize(
    ("image", "entry"),
    [
        ("luthier-data", {"newName": "luthier-data", "newTag": "latest"}),
        ("data:1", {"newName": "data", "newTag": "1"}),
        ("host:5000/a/data", {"newName": "host:5000/a/data", "newTag": "latest"}),
        ("host:5000/a/data:1", {"newName": "host:5000/a/data", "newTag": "1"}),
        ("host:5000/a/data@sha256:1f", {"newName": "host:5000/a/data", "digest": "sha256:1f"}),
        ("data:1@sha256:1f", {"newName": "data", "digest": "sha256:1f"}),
    ],
)
def test_images_are_named_in_kustomizes_way(image, entry):
    assert overlay._image("luthier-data", image) == {"name": "luthier-data", **entry}


def test_a_script_runs_with_its_accounts_own_word_on_the_token():
    pod = overlay.script("data:1", "luthier-trainer", "print(1)", "x")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["serviceAccountName"] == "luthier-trainer" and "automountServiceAccountToken" not in pod
    assert (container["command"], container["args"]) == (["python", "-c", "print(1)"], ["x"])
