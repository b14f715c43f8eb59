"""A stand-in for the API server of Kubeflow Pipelines 2.17: it keeps what it is sent and takes only what that takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import yaml
from flask import Flask, Response, request
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from tests.pipelines import swagger
from tests.pipelines.swagger import RejectedError
from tests.pipelines.workflow import RECORDED, RecordedRun, Workflow
from tests.serving import served

_CREATED = "2026-03-01T10:00:{:02d}Z"
_PAGE_OF = 2  # fewer than anybody asks for: listings have to be followed
_TYPES = {"STRING": str, "NUMBER_INTEGER": int, "NUMBER_DOUBLE": (int, float), "BOOLEAN": bool, "LIST": list}


@dataclass
class KfpApi:
    """The server's state, and how it behaves.

    Attributes:
        host: Its URL.
        multi_user: Whether users have namespaces of their own.
        token: What a bearer must be; None for anybody.
        outages: How many of the next answers are 503.
        fail_on: Method and template of a call that is answered with 500.
        states: What a run looks like at each look: its state and its workflow; the last one stays.
        has_v1beta1: Whether it serves the old API, which alone tells a run's workflow.
        calls: Method and template of each call so far.
    """

    host: str = ""
    multi_user: bool = False
    token: str | None = None
    outages: int = 0
    fail_on: tuple[str, str] | None = None
    states: list[tuple[str, Workflow | RecordedRun]] = field(default_factory=lambda: [("SUCCEEDED", Workflow())])
    has_v1beta1: bool = True
    calls: list[tuple[str, str]] = field(default_factory=list)
    kinds: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {
            kind: {} for kind in ("pipelines", "versions", "experiments", "runs", "recurring_runs")
        }
    )
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks: int = 0
    manifests: int = 0
    numbers: Iterator[int] = field(default_factory=count)

    def made(self, kind: str) -> list[dict[str, Any]]:
        """Returns what there is of a kind, the oldest first."""
        return list(self.kinds[kind].values())

    def add(self, kind: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
        number = next(self.numbers)
        new = {**body, key: f"{kind}-{number}", "created_at": _CREATED.format(number)}
        self.kinds[kind][new[key]] = new
        return new

    def handle(self, method: str, path: str, query: dict[str, str], body: Any, upload: bytes | None) -> Any:
        template, names = swagger.match(method, path)
        self.calls.append((method, template))
        if self.fail_on == (method, template):
            raise RejectedError(500, "the database is away")
        swagger.check_request(method, template, query, body)
        if template == "/apis/v2beta1/healthz":
            return {"multi_user": self.multi_user}
        if method == "POST" and upload is not None:
            return self._upload(query, upload)
        noun, _, verb = template.removeprefix("/apis/v2beta1/").partition(":")
        kind = {"recurringruns": "recurring_runs"}.get(noun.split("/")[0], noun.split("/")[0])
        if noun.endswith("/versions"):
            return self._listed("pipeline_versions", "versions", query, pipeline_id=names["pipeline_id"])
        if method == "GET" and not names:
            self._check_namespace(query.get("namespace", ""))
            return self._listed({"recurring_runs": "recurringRuns"}.get(kind, kind), kind, query)
        if method == "POST" and not names:
            return self._create(kind, body)
        (identity,) = names.values()
        if identity not in self.kinds[kind]:
            noun = kind.capitalize().removesuffix("s")
            missing = f"ResourceNotFoundError: {noun} {identity} not found"
            raise RejectedError(404, f"Failed to get a {kind[:-1]}: Failed to fetch {kind[:-1]} {identity}: {missing}")
        return self._one(method, kind, identity, verb)

    def _one(self, method: str, kind: str, identity: str, verb: str) -> dict[str, Any]:
        if method == "DELETE":
            del self.kinds[kind][identity]
            return {}
        if verb in ("enable", "disable"):
            self.kinds[kind][identity] |= {"mode": verb.upper(), "status": f"{verb.upper()}D"}
            return {}
        if verb == "terminate":
            # Where Argo retries every node, it ends as failed.
            self.states, self.looks = [("FAILED", Workflow(["PENDING", "RUNNING", "CANCELING"]))], 0
            return {}
        if kind == "runs":
            return self._run(identity)
        return self.kinds[kind][identity]

    def _run(self, identity: str) -> dict[str, Any]:
        state, workflow = self.states[min(self.looks, len(self.states) - 1)]
        self.looks += 1
        details = {"task_details": [{**task, "run_id": identity} for task in workflow.task_details()]}
        history = {"state_history": workflow.history}
        return {**self.kinds["runs"][identity], "state": state, "run_details": details, **history}

    def workflow_manifest(self, path: str) -> str:
        """Returns the old API's answer about a run, as of the last look at it."""
        _, workflow = self.states[min(max(self.looks - 1, 0), len(self.states) - 1)]
        identity = path.rpartition("/")[2]
        if not self.has_v1beta1 or identity not in self.kinds["runs"]:
            raise RejectedError(404, f"run {identity} not found")
        self.manifests += 1
        # Every other answer is as of a large workflow.
        runtime = {"workflow_manifest": workflow.manifest(compressed=self.manifests % 2 == 0)}
        return json.dumps({"run": {"id": identity}, "pipeline_runtime": runtime})

    def log(self, path: str) -> str:
        """Returns a pod's log, or an error with status 200, as the server does."""
        unknown = (RECORDED / "log-of-an-unknown-node.json").read_text()
        return self.states[-1][1].logs.get(path.split("/")[-2], unknown)

    def _create(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        if not body.get("display_name"):
            raise RejectedError(400, "the display name is empty")
        if kind in ("pipelines", "experiments"):
            self._check_namespace(body.get("namespace", ""))
            if any(each["display_name"] == body["display_name"] for each in self.made(kind)):
                raise RejectedError(409, f"{body['display_name']} already exists")
            return self.add(kind, {"pipelines": "pipeline_id", "experiments": "experiment_id"}[kind], body)
        if body.get("experiment_id") not in self.kinds["experiments"]:
            raise RejectedError(404, "no such experiment")
        self._check_arguments(body)
        if kind == "runs":
            return self.add("runs", "run_id", {**body, "state": "PENDING"})
        if not 1 <= int(body.get("max_concurrency", 0)) <= 10:
            raise RejectedError(400, "Max concurrency of a recurring run must be at least 1 and at most 10")
        fields = body["trigger"]["cron_schedule"]["cron"].split()
        if len(fields) != 6:
            raise RejectedError(400, f"Expected exactly 6 fields, found {len(fields)}")
        return self.add("recurring_runs", "recurring_run_id", {**body, "status": f"{body['mode']}D"})

    def _check_arguments(self, body: dict[str, Any]) -> None:
        version = self.kinds["versions"].get(body["pipeline_version_reference"]["pipeline_version_id"])
        if version is None:
            raise RejectedError(404, "no such pipeline version")
        declared = self.packages[version["pipeline_version_id"]]["root"]["inputDefinitions"]["parameters"]
        for name, value in body.get("runtime_config", {}).get("parameters", {}).items():
            if name not in declared:
                raise RejectedError(400, f"parameter(s) provided are not required by pipeline: {name}")
            if not isinstance(value, _TYPES[declared[name]["parameterType"]]):
                raise RejectedError(400, f"input parameter {name} requires type {declared[name]['parameterType']}")

    def _upload(self, query: dict[str, str], upload: bytes) -> dict[str, Any]:
        if query.get("pipelineid") not in self.kinds["pipelines"]:
            raise RejectedError(400, "Failed to create a pipeline version")
        package, *platform = yaml.safe_load_all(upload)
        json_format.ParseDict(package, pipeline_spec_pb2.PipelineSpec())
        for document in platform:
            json_format.ParseDict(document, pipeline_spec_pb2.PlatformSpec())
        names = {"name": query["name"], "display_name": query["display_name"], "pipeline_id": query["pipelineid"]}
        version = self.add("versions", "pipeline_version_id", names)
        self.packages[version["pipeline_version_id"]] = package
        return version

    def _listed(self, field_name: str, kind: str, query: dict[str, str], **equal: str) -> dict[str, Any]:
        found = [each for each in self.made(kind) if all(each[name] == value for name, value in equal.items())]
        if query.get("filter"):
            (predicate,) = json.loads(query["filter"])["predicates"]
            assert predicate["operation"] in (1, "EQUALS"), predicate
            found = [each for each in found if each[predicate["key"]] == predicate["stringValue"]]
        start = int(query.get("page_token") or 0)
        more = {"next_page_token": str(start + _PAGE_OF)} if len(found) > start + _PAGE_OF else {}
        return {field_name: found[start : start + _PAGE_OF], "total_size": len(found), **more}

    def _check_namespace(self, namespace: str) -> None:
        if self.multi_user and namespace != "ada":
            raise RejectedError(403, f"user 'ada' is not authorized in namespace '{namespace}'")


@contextmanager
def serving(api: KfpApi) -> Iterator[KfpApi]:
    """Serves the API on a free port for as long as the block runs."""
    app = Flask("kfp")

    @app.route("/", defaults={"path": ""}, methods=["GET", "POST", "DELETE"])
    @app.route("/<path:path>", methods=["GET", "POST", "DELETE"])
    def answer(path: str) -> Response:
        handle = api.handle
        if path.endswith("/log"):
            handle = lambda *_: api.log(path)  # noqa: E731
        elif path.startswith("apis/v1beta1/runs/"):
            handle = lambda *_: api.workflow_manifest(path)  # noqa: E731
        return _answer(api, f"/{path}", handle)

    with served(app) as api.host:
        yield api


def _answer(api: KfpApi, path: str, handle: Callable[..., Any]) -> Response:
    try:
        if api.outages:
            api.outages -= 1
            raise RejectedError(503, "upstream connect error")
        if api.token is not None and request.headers.get("Authorization") != f"Bearer {api.token}":
            raise RejectedError(401, "Unauthenticated")
        files = list(request.files.values())
        upload = files[0].read() if files else None
        body = request.get_json(silent=True)
        answer = handle(request.method, path, request.args.to_dict(), body, upload)
        if isinstance(answer, str):
            return Response(answer, content_type="text/plain")
        template, _ = swagger.match(request.method, path)
        swagger.check_answer(request.method, template, answer)
        return Response(json.dumps(answer), content_type="application/json")
    except RejectedError as rejected:
        code = {404: 5}.get(rejected.status, 3)
        status = {"@type": "type.googleapis.com/google.rpc.Status", "code": code}
        details = [{**status, "message": rejected.message.rpartition(": ResourceNotFoundError: ")[2]}]
        body = {"code": code, "message": rejected.message, "details": details}
        return Response(json.dumps(body), rejected.status, content_type="application/json")
