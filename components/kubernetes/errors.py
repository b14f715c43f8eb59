"""What it means when an API server says no."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

from components.core.errors import InputError, StepError

RETRIED = (429, 500, 502, 503, 504)
"""Statuses of a server that is busy, or on its way up or down."""

_CANNOT = re.compile(r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)"')
_NO_NAMESPACE = re.compile(r'namespaces "[^"]*" not found')
_LONGEST_MESSAGE = 1000


class ApiError(Exception):
    """The API server said no.

    Attributes:
        code: The HTTP status.
        message: Its own words.
        retry_after_s: How long it asks to be left alone.
    """

    def __init__(self, code: int, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"HTTP {code}: {message}")
        self.code, self.message, self.retry_after_s = code, message, retry_after_s

    @classmethod
    def of(cls, error: Any) -> ApiError:
        """Returns the answer in a kubernetes.client.ApiException: the message of its Status, if it is one."""
        body = error.body or b""
        text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
        with suppress(ValueError, AttributeError):
            text = json.loads(text).get("message") or text
        retry_after = (error.headers or {}).get("Retry-After", "")
        message = " ".join(text.split())[:_LONGEST_MESSAGE]
        return cls(error.status, message, float(retry_after) if retry_after.isdigit() else None)


def in_words(error: ApiError, who: str, namespace: str, collection: str) -> Exception:
    """Returns what to raise for an answer.

    Args:
        error: The answer.
        who: The server, for a person.
        namespace: Where it was asked.
        collection: What it was asked for.

    Returns:
        An InputError for what only the user can mend; the answer itself where a program may know what to do (404 not
        found, 409 conflict, 410 gone); a StepError for the rest.
    """
    denied = _CANNOT.search(error.message)
    if error.code == 403 and denied:
        user, verb, resource = denied["user"].removeprefix("system:serviceaccount:"), denied["verb"], denied["resource"]
        return InputError(
            f"'{user}' may not {verb} {resource} in namespace '{namespace}': expected a Role there with verb {verb} on "
            f"{resource}, bound to it, as Role luthier-launcher of manifests/base"
        )
    if error.code == 401:
        return InputError(f"{who} does not accept the credentials (HTTP 401): log in again")
    if error.code == 404 and _NO_NAMESPACE.search(error.message):
        return InputError(
            f"there is no namespace '{namespace}': try another --namespace, or make it with "
            "`kubectl apply -k manifests/base`"
        )
    if error.code in (400, 403, 422):
        return InputError(f"the cluster refuses this for {collection}: {error.message}")
    return error if error.code in (404, 409, 410) else StepError(f"{who}: {error}")
