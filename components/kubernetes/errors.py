"""The errors of the Kubernetes API: one class for each kind of answer, and those of a connection.

https://kubernetes.io/docs/reference/using-api/api-concepts and the reasons of a Status.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

_NOT_PERMITTED = re.compile(r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)"')
_NO_NAMESPACE = re.compile(r'namespaces "[^"]*" not found')
NOT_READY = r"not yet ready to handle request|status unknown for quota"
"""What admission says in an API server that has just started, and of a quota that has just been created."""

_ANONYMOUS = "system:anonymous"  # a request without credentials, where the server does not refuse those with 401
_NOT_READY = re.compile(NOT_READY)
_LONGEST_MESSAGE = 1000


class ApiError(Exception):
    """The API server refused a request.

    Attributes:
        status: The HTTP status.
        message: The server's message.
        retry_after_s: The pause that the server asks for; None where it asks for none.
    """

    def __init__(self, status: int, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status, self.message, self.retry_after_s = status, message, retry_after_s


class BadRequest(ApiError):
    """400: the request makes no sense, for instance for the log of a container that has not started."""


class Unauthorized(ApiError):
    """401, or 403 for the anonymous user: the credentials are not accepted, or there are none."""


class Forbidden(ApiError):
    """403: a quota, an admission rule or missing permissions forbid it."""


class NotPermitted(Forbidden):
    """403, by RBAC: no Role gives the user this verb on this resource.

    Attributes:
        user: The user or service account, without "system:serviceaccount:".
        verb: For instance "create".
        resource: For instance "jobs" or "pods/log".
    """

    def __init__(self, status: int, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(status, message, retry_after_s)
        found = _NOT_PERMITTED.search(message)
        self.user, self.verb, self.resource = found.groups() if found else ("the user", "use", "the resource")
        self.user = self.user.removeprefix("system:serviceaccount:")
        self.args = (f"'{self.user}' may not {self.verb} {self.resource} (HTTP {status})",)


class NotFound(ApiError):
    """404: there is no such object."""


class NamespaceNotFound(NotFound):
    """404: there is no such namespace."""


class Conflict(ApiError):
    """409: an object of that name exists, or the object has another uid or version than the request names."""


class Gone(ApiError):
    """410: the server does not have the resource version any more from which a watch was to continue."""


class Invalid(ApiError):
    """422: the object does not fit its schema, or its values are not valid."""


class Unavailable(ApiError):
    """429, 5xx, and the 403 of a server that is not ready yet: the same request may succeed a little later."""


class ConnectionLost(Exception):
    """The connection to the API server broke, or could not be made."""


class StreamsClosed(Exception):
    """`Api.close` was called: nobody reads the streams any more."""


_CLASSES: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    **dict.fromkeys((429, 500, 502, 503, 504), Unavailable),
}


def api_error(status: int, message: str, retry_after_s: float | None = None) -> ApiError:
    """Returns the error of an answer: the class that its status, and for some its message, stands for."""
    kind = _CLASSES.get(status, ApiError)
    if kind is Forbidden and (denied := _NOT_PERMITTED.search(message)):
        kind = Unauthorized if denied["user"] == _ANONYMOUS else NotPermitted
    elif kind is Forbidden and _NOT_READY.search(message):
        kind = Unavailable
    if kind is NotFound and _NO_NAMESPACE.search(message):
        kind = NamespaceNotFound
    return kind(status, message, retry_after_s)


def from_client(error: Any) -> ApiError:
    """Returns the error of a kubernetes.client.ApiException: with the message of its Status, if its body is one."""
    body = error.body or b""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    with suppress(ValueError, AttributeError):
        text = json.loads(text).get("message") or text
    retry_after = (error.headers or {}).get("Retry-After", "")
    message = " ".join(text.split())[:_LONGEST_MESSAGE]
    return api_error(error.status, message, float(retry_after) if retry_after.isdigit() else None)
