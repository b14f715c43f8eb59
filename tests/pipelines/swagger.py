"""Checks HTTP requests against the description of Kubeflow Pipelines' API, as strictly as its server does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator

_SPEC = json.loads((Path(__file__).parent / "schemas" / "kfp-api-2.17.0.json").read_text())
_BOOLEANS = ("true", "false")


class RejectedError(Exception):
    """A request that the server would not take."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def _closed(schema: Any) -> Any:
    """Returns a schema in which an object has no other properties than those named: protobuf's JSON is like that."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if "properties" in schema and "@type" not in schema["properties"]:
        closed.setdefault("additionalProperties", False)
    return closed


_DEFINITIONS = _closed(_SPEC["definitions"])


def match(method: str, path: str) -> tuple[str, dict[str, str]]:
    """Returns the template of a path that the API has, and what stands in its braces."""
    # A template without braces comes before one whose braces would take its last word.
    for template in sorted(_SPEC["paths"], key=lambda each: each.count("{")):
        found = re.fullmatch(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/:]+)", re.escape(template)), path)
        if found and method.lower() in _SPEC["paths"][template]:
            return template, found.groupdict()
    raise RejectedError(404, f"no such path: {method} {path}")


def check_request(method: str, template: str, query: dict[str, str], body: Any) -> None:
    """Raises `RejectedError` for a query or a body that the API does not describe."""
    parameters = {each["name"]: each for each in _SPEC["paths"][template][method.lower()]["parameters"]}
    for name, value in query.items():
        declared = parameters.get(name)
        if declared is None or declared["in"] != "query":
            raise RejectedError(400, f"{method} {template} has no query parameter '{name}'")
        if declared["type"] == "integer" and not value.isdecimal():
            raise RejectedError(400, f"query parameter '{name}' is '{value}', not an integer")
        if declared["type"] == "boolean" and value not in _BOOLEANS:
            raise RejectedError(400, f"query parameter '{name}' is '{value}', not a boolean")
    expected = next((each for each in parameters.values() if each["in"] == "body"), None)
    if expected is not None:
        _check(_closed(expected["schema"]), body)


def check_answer(method: str, template: str, answer: Any) -> None:
    """Fails when the stand-in itself says something that the API does not describe."""
    _check(_closed(_SPEC["paths"][template][method.lower()]["responses"]["200"]["schema"]), answer)


def _check(schema: Any, instance: Any) -> None:
    error = next(Draft4Validator({**schema, "definitions": _DEFINITIONS}).iter_errors(instance), None)
    if error is not None:
        raise RejectedError(400, f"{'.'.join(map(str, error.absolute_path)) or 'the body'}: {error.message}")
