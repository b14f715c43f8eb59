"""A cluster that answers with what a real Kubernetes 1.34 was recorded to answer, and what tests change of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from components.core.backoff import RetryPolicy
from components.kubernetes.client import Api
from tests.serving import served

TEMPLATE = Path(__file__).parents[1] / "launch" / "training-job.yaml"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text())


class Cluster:
    """Answers by path: a JSON value, or a status. What is created is kept."""

    def __init__(self) -> None:
        recorded = copy.deepcopy(_RECORDED)
        self.recorded = recorded
        self.url = ""
        self.denied: set[str] = set()
        self.pods: list[dict[str, Any]] = []
        self.created: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.answers: dict[str, Any] = {
            WHO_AM_I: {"status": {"userInfo": {"username": "admin", "groups": ["system:masters"]}}},
            "/version": recorded["version"],
            "/api/v1/namespaces/luthier": {"metadata": {"name": "luthier"}, "status": {"phase": "Active"}},
            "/api/v1/namespaces/kubeflow": {"metadata": {"name": "kubeflow"}, "status": {"phase": "Active"}},
            "/api/v1/nodes": recorded["nodes"],
            "/api/v1/namespaces/luthier/resourcequotas": {"items": []},
            "/api/v1/namespaces/luthier/events": {"items": []},
            "/api/v1/namespaces/luthier/configmaps/luthier-training-job": {
                "data": {"training-job.yaml": TEMPLATE.read_text()}
            },
        }

    def api(self) -> Api:
        """Returns a client, which gives up soon."""
        from kubernetes import client

        configuration = client.Configuration()
        configuration.host, configuration.retries = self.url, False
        return Api(client.ApiClient(configuration), "luthier", RetryPolicy(limit_s=0.2, first_pause_s=0.01))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        path, method = unquote(environ["PATH_INFO"]), environ["REQUEST_METHOD"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = json.loads(environ["wsgi.input"].read(length)) if length else {}
        answer = self._answer(method, path, body, environ["QUERY_STRING"])
        status = answer if isinstance(answer, int) else 200
        if isinstance(answer, int):
            answer = {"kind": "Status", "message": f"{path} is refused", "code": status}
        start_response(f"{status} Something", [("Content-Type", "application/json")])
        return [answer if isinstance(answer, bytes) else json.dumps(answer).encode()]

    def _answer(self, method: str, path: str, body: dict[str, Any], query: str) -> Any:
        if path in self.answers:
            return self.answers[path]
        if path.endswith("accessreviews"):
            wanted = body["spec"]["resourceAttributes"]
            what = "/".join(filter(None, [wanted["resource"], wanted["subresource"]]))
            return self.recorded["denied" if f"{wanted['verb']} {what}" in self.denied else "allowed"]
        if path == "/api/v1/namespaces/luthier/pods":
            return {"items": self.pods}
        if method == "POST" and path.endswith("/jobs"):
            body["metadata"]["uid"], body["status"] = "1", {}
            if "dryRun=All" not in query:
                self.created.append(body)
            return body
        if method == "DELETE":
            self.deleted.append(path.rpartition("/")[2])
            return {}
        return 404


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    for name in ("LUTHIER_NAMESPACE", "KUBERNETES_SERVICE_HOST", "LUTHIER_TRAIN_IMAGE", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    found = Cluster()
    with served(found) as found.url:
        yield found
