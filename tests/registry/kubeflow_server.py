"""A stand-in for a Kubeflow Model Registry, which takes only what its OpenAPI description has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from jsonschema import Draft7Validator

from tests.serving import served

_SCHEMAS = json.loads((Path(__file__).parent / "schemas" / "model-registry-v0.3.8.json").read_text())["components"]
# Collection -> how it is looked for, and what is sent to it.
_KINDS = {
    "registered_models": ("registered_model", "RegisteredModelCreate"),
    "model_versions": ("model_version", "ModelVersionCreate"),
    "artifacts": ("model_artifact", "ModelArtifactCreate"),
}


def _flat(schema: dict[str, Any]) -> dict[str, Any]:
    """Returns a schema without references and allOf, in which an object has no other properties than those named."""
    if "$ref" in schema:
        return _flat(_SCHEMAS["schemas"][schema["$ref"].rpartition("/")[2]])
    if "oneOf" in schema:
        return {"oneOf": [_flat(each) for each in schema["oneOf"]]}
    parts = [_flat(each) for each in schema.get("allOf", [])]
    flat = {key: value for key, value in schema.items() if key not in ("allOf", "properties", "discriminator")}
    own = {name: _flat(each) for name, each in schema.get("properties", {}).items()}
    properties = {
        name: each for part in [*parts, {"properties": own}] for name, each in part.get("properties", {}).items()
    }
    if isinstance(flat.get("additionalProperties"), dict):
        flat["additionalProperties"] = _flat(flat["additionalProperties"])
    if properties:
        flat |= {"type": "object", "properties": properties, "additionalProperties": False}
    return flat


@dataclass
class ModelRegistry:
    """The server's state, and how it behaves.

    Attributes:
        address: Its URL.
        path: The generation of the API that it speaks.
        token: What a bearer must be; None for anybody.
        fail_on: A collection to which nothing can be added: the answer is 500.
        outages: How many of the next answers are 503.
        lose_race: Whether the next addition finds that another was faster.
    """

    path: str = "/api/model_registry/v1"
    address: str = ""
    token: str | None = None
    fail_on: str = ""
    outages: int = 0
    lose_race: bool = False
    posts: list[str] = field(default_factory=list)
    kinds: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {kind: [] for kind in _KINDS})
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if self.outages:
            self.outages -= 1
            return 503, {"message": "starting"}
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return 401, {"message": "no token"}
        if not path.startswith(f"{self.path}/"):
            return 404, {"message": "no such path"}
        place = path.removeprefix(f"{self.path}/")
        for kind, (singular, schema) in _KINDS.items():
            nested = re.fullmatch(r"model_versions/(\d+)/artifacts", place)
            parent = {"parent": nested[1]} if nested else {}
            if place == singular:
                found = self._found(kind, query, {})
                return (200, found[0]) if found else (404, {"message": "not found"})
            if place == kind or (nested and kind == "artifacts"):
                if method == "GET":
                    found = [] if "pageSize" in query else self._found(kind, query, parent)
                    return 200, {"items": found, "size": len(found), "pageSize": 0, "nextPageToken": ""}
                return self._add(kind, schema, body, parent)
        return 404, {"message": "no such path"}

    def _found(self, kind: str, query: dict[str, str], parent: dict[str, str]) -> list[dict[str, Any]]:
        wanted = {"name": query["name"], **parent}
        if "parentResourceId" in query:
            wanted["parent" if kind == "artifacts" else "registeredModelId"] = query["parentResourceId"]
        return [each for each in self.kinds[kind] if all(each.get(key) == value for key, value in wanted.items())]

    def _add(self, kind: str, schema: str, body: Any, parent: dict[str, str]) -> tuple[int, Any]:
        self.posts.append(kind)
        if kind == self.fail_on:
            return 500, {"message": "the database is away"}
        for error in Draft7Validator(_flat(_SCHEMAS["schemas"][schema])).iter_errors(body):
            return 400, {"message": f"{error.json_path}: {error.message}"}
        if kind == "model_versions" and body["registeredModelId"] not in {
            each["id"] for each in self.kinds["registered_models"]
        }:
            return 400, {"message": "no such registered model"}
        new = {**body, **parent, "id": str(next(self.numbers))}
        self.kinds[kind].append(new)
        if self.lose_race:
            self.lose_race = False
            return 409, {"message": "already exists"}
        return 201, new


@contextmanager
def serving(registry: ModelRegistry) -> Iterator[ModelRegistry]:
    """Serves the registry on a free port for as long as the block runs."""
    app = Flask("registry")

    @app.route("/<path:path>", methods=["GET", "POST"])
    def answer(path: str) -> Response:
        body = request.get_json(silent=True)
        status, content = registry.answer(request.method, f"/{path}", request.args.to_dict(), body)
        return Response(json.dumps(content), status, content_type="application/json")

    with served(app) as registry.address:
        yield registry
