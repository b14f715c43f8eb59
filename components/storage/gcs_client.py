"""The connection to Cloud Storage: credentials, endpoint, and single attempts of a request.

Without credentials, requests are anonymous, which public buckets allow. For the variables STORAGE_EMULATOR_HOST, which
may change between calls, and LUTHIER_USER_PROJECT see core/environment.py.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote

import google.api_core.exceptions
import google.auth
import google.auth.exceptions
import requests
import urllib3
from google.auth.environment_vars import CREDENTIALS
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema

from components.core import environment
from components.core.errors import InputError, StepError
from components.storage.retry import (
    RETRYABLE_STATUSES,
    RequestRetries,
    TransientError,
    parse_retry_after,
    service_answered,
)

CONNECT_TIMEOUT_S = 20.0
READ_TIMEOUT_S = 30.0  # without a byte for so long, a connection counts as lost
_CONNECTIONS = 32  # at least as many as threads that read and write
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_USUAL_UNIVERSE = "googleapis.com"
_LONGEST_EXCERPT = 200
_BUCKET = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")

_T = TypeVar("_T")


class _Gate:
    """Allows any number of requests at a time, but only one to a service that speaks HTTP/1.0.

    Such a service (the emulator of the tests) serves one connection after the other; with a full queue, a connection
    waits for a second. A process's first request runs alone, and its response says which protocol the service speaks.
    """

    def __init__(self) -> None:
        self._turns = threading.Semaphore(1)
        self._open = False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for this request's turn and keeps it until the response is read."""
        if self._open:
            yield
        else:
            with self._turns:
                yield

    def saw_response(self, http_version: int) -> None:
        """Notes the protocol of the service: 10 for HTTP/1.0, 11 for HTTP/1.1."""
        if http_version > 10 and not self._open:
            self._open = True
            self._turns.release(_CONNECTIONS)  # those that wait already


@dataclass(frozen=True)
class Connection:
    """The client for metadata, and the session for content, because the client reads content 8 KB at a time."""

    client: Any
    session: requests.Session
    gate: _Gate = field(default_factory=_Gate)

    def object_url(self, service: str, bucket: str, name: str | None = None) -> str:
        """Returns a URL of the JSON API; `service` is "download" or "upload"."""
        tail = "" if name is None else f"/{quote(name, safe='')}"
        return f"{self.client.api_endpoint}/{service}/storage/v1/b/{quote(bucket, safe='')}/o{tail}"


def connection() -> Connection:
    """Returns this process's connection to the endpoint that the environment names at this moment."""
    return _connection(environment.get(environment.STORAGE_EMULATOR_HOST) or None)


@lru_cache(maxsize=4)
def _connection(emulator_host: str | None) -> Connection:
    if emulator_host:
        endpoint = emulator_host if "://" in emulator_host else f"http://{emulator_host}"
        client = storage.Client(project="emulator", client_options={"api_endpoint": endpoint.rstrip("/")})
        return Connection(client, _pooled(requests.Session()))
    try:
        credentials, project = google.auth.default(scopes=[_SCOPE])
    except Exception as error:  # of a key that is no JSON object, google-auth raises anything
        if path := os.environ.get(CREDENTIALS):  # anonymous requests would fail for another reason
            raise InputError(
                f"cannot use '{path}', which {CREDENTIALS} names: {_one_line(error).rstrip('.')}; "
                "expected the file of a key; or unset the variable"
            ) from error
        if not isinstance(error, google.auth.exceptions.DefaultCredentialsError):
            raise
        return Connection(storage.Client.create_anonymous_client(), _pooled(requests.Session()))
    universe = credentials.universe_domain
    options = {} if universe == _USUAL_UNIVERSE else {"universe_domain": universe}
    # Credentials may have no project. The client requires one, but needs it only to create or list buckets.
    client = storage.Client(project=project or "none", credentials=credentials, client_options=options)
    return Connection(client, _pooled(AuthorizedSession(credentials)))


# Two processes must not share a socket.
os.register_at_fork(after_in_child=_connection.cache_clear)


def _pooled(session: requests.Session) -> requests.Session:
    adapter = requests.adapters.HTTPAdapter(pool_connections=2, pool_maxsize=_CONNECTIONS)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def user_project() -> str | None:
    """Returns the project that pays for requests to requester-pays buckets; None if the user names none."""
    return environment.get(environment.USER_PROJECT) or None


def split(uri: str) -> tuple[str, str]:
    """Returns the bucket's and the object's name of gs://bucket/name."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not bucket:
        raise InputError(f"cannot open '{uri}': expected gs://bucket/prefix")
    if not _BUCKET.fullmatch(bucket):
        raise InputError(
            f"cannot open '{uri}': '{bucket}' is no name of a bucket, expected letters, digits, -, _ and ., with a "
            "letter or digit at both ends; try gs://bucket/prefix"
        )
    return bucket, name


def bucket_of(name: str) -> Any:
    """Returns the client's bucket."""
    return connection().client.bucket(name, user_project=user_project())


@contextmanager
def transient() -> Iterator[None]:
    """Turns failed connections and failed authentication into `TransientError`; InputError if the user can fix it."""
    try:
        yield
    except (InvalidSchema, InvalidURL, MissingSchema) as error:
        raise InputError(
            f"cannot use STORAGE_EMULATOR_HOST or a proxy variable: {_one_line(error)}; expected http://HOST:PORT"
        ) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise TransientError(_one_line(error)) from error
    except google.auth.exceptions.GoogleAuthError as error:
        if isinstance(error, google.auth.exceptions.TransportError) or getattr(error, "retryable", False):
            raise TransientError(_one_line(error)) from error
        raise InputError(
            f"cannot authenticate to Google Cloud: {_one_line(error)}; try `gcloud auth application-default login`"
        ) from error


@contextmanager
def _as_documented() -> Iterator[None]:
    """Turns a response that the client cannot read into `TransientError`: an empty one, for instance, was cut off."""
    try:
        yield
    except (requests.RequestException, google.auth.exceptions.GoogleAuthError, InputError):  # known ones
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise TransientError(f"the response is not as documented: {_one_line(error)}") from error


@contextmanager
def request(method: str, url: str, **options: Any) -> Iterator[requests.Response]:
    """Makes one attempt and yields its response, whose status the caller must check.

    Raises:
        TransientError: No response, or one that asks for another attempt.
    """
    params = options.pop("params", {})
    if project := user_project():
        params = {**params, "userProject": project}
    timeout = options.pop("timeout", (CONNECT_TIMEOUT_S, READ_TIMEOUT_S))
    to = connection()
    with to.gate.turn():
        with transient():
            response = to.session.request(method, url, params=params, timeout=timeout, stream=True, **options)
        with closing(response):
            service_answered()
            to.gate.saw_response(response.raw.version)
            if response.status_code in RETRYABLE_STATUSES:
                retry_after_s = parse_retry_after(response.headers.get("Retry-After"))
                raise TransientError(f"{response.status_code} {response.reason}", retry_after_s)
            yield response


def attempts(operation: str, uri: str, call: Callable[[], _T]) -> _T:
    """Makes a call of the client, without the client's own retries, until it succeeds.

    Raises:
        InputError: There is no such object, or no permission.
        StepError: There was no response for minutes, or an unexpected one.
    """
    retries = RequestRetries(operation, uri)
    while True:
        try:
            with transient(), _as_documented():
                result = call()
            service_answered()
            return result
        except TransientError as error:
            retries.wait(error)
        except google.api_core.exceptions.GoogleAPICallError as error:
            service_answered()
            if error.code not in RETRYABLE_STATUSES:
                text = error.response.text if isinstance(error.response, requests.Response) else str(error)
                raise error_of_response(uri, error.code, text) from error
            headers = getattr(error.response, "headers", {})
            retries.wait(TransientError(_one_line(error), parse_retry_after(headers.get("Retry-After"))))


class NoObject(InputError):  # noqa: N818 (reads as what it is)
    """There is no such object or bucket."""


def error_of_response(uri: str, status: int | None, text: str) -> Exception:
    """Returns the error for a response that no other attempt will change; `text` is its body."""
    reason = _reason(text)
    if status in (400, 403) and "requester pays" in text.lower():
        return InputError(
            f"cannot open '{uri}': its bucket is requester-pays; set {environment.USER_PROJECT} to the Google Cloud "
            "project that pays"
        )
    if status == 404:
        return NoObject(f"there is no object '{uri}', or no such bucket")
    if status in (401, 403):
        return InputError(
            f"no permission for '{uri}'{f' ({reason})' if reason else ''}; check the account's roles, or try "
            "`gcloud auth application-default login`"
        )
    return StepError(f"Cloud Storage rejected a request for '{uri}': {status} {reason}")


def _reason(text: str) -> str:
    """Returns what the service says in a response: in the message of its JSON, or as text."""
    with suppress(ValueError, LookupError, TypeError):
        text = str(json.loads(text)["error"]["message"])
    return _one_line(text).rstrip(".") if text.strip() else ""


def _one_line(problem: object) -> str:
    if isinstance(problem, requests.RequestException) and problem.args:
        problem = getattr(problem.args[0], "reason", None) or problem  # what happened, without the URL
    if isinstance(problem, google.auth.exceptions.GoogleAuthError) and problem.args:
        problem = problem.args[0]
    text = " ".join(str(problem).split()) or type(problem).__name__
    return text if len(text) <= _LONGEST_EXCERPT else text[:_LONGEST_EXCERPT] + "…"
