"""Answers of the API server as typed errors."""

import json
from types import SimpleNamespace

import pytest

from components.kubernetes import errors

DENIED = 'jobs.batch is forbidden: User "system:serviceaccount:luthier:launcher" cannot create resource "jobs" in ...'

ANONYMOUS = 'jobs.batch is forbidden: User "system:anonymous" cannot list resource "jobs" in API group "batch" in ...'


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "container is waiting to start", errors.BadRequest),
        (401, "Unauthorized", errors.Unauthorized),
        (403, "exceeded quota: jobs", errors.Forbidden),
        (403, DENIED, errors.NotPermitted),
        (403, ANONYMOUS, errors.Unauthorized),
        (403, 'jobs.batch "x" is forbidden: not yet ready to handle request', errors.Unavailable),
        (404, 'jobs.batch "x" not found', errors.NotFound),
        (404, 'namespaces "music" not found', errors.NamespaceNotFound),
        (409, "already exists", errors.Conflict),
        (410, "too old resource version", errors.Gone),
        (418, "teapot", errors.ApiError),
        (422, "Invalid value", errors.Invalid),
        (429, "too many requests", errors.Unavailable),
        (503, "shutting down", errors.Unavailable),
    ],
)
def test_each_status_has_its_class(status, message, expected):
    error = errors.api_error(status, message)
    assert type(error) is expected
    assert error.status == status


def test_missing_permissions_are_named():
    error = errors.api_error(403, DENIED)
    assert (error.user, error.verb, error.resource) == ("luthier:launcher", "create", "jobs")
    assert str(error) == "'luthier:launcher' may not create jobs (HTTP 403)"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            json.dumps({"kind": "Status", "message": "etcdserver:\n leader changed"}).encode(),
            "etcdserver: leader changed",
        ),
        (b"<html>bad gateway</html>", "<html>bad gateway</html>"),
        (b'["no", "object"]', '["no", "object"]'),
        (None, ""),
        ("x" * 5000, "x" * 1000),
    ],
)
def test_the_message_is_that_of_the_status_or_the_body_in_one_line(body, expected):
    answer = SimpleNamespace(status=502, body=body, headers={"Retry-After": "7"})
    error = errors.from_client(answer)
    assert (error.message, error.retry_after_s) == (expected, 7.0)
