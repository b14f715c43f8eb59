"""The connection to Cloud Storage: credentials, endpoint, and single attempts of a request.

Without credentials, requests are anonymous, which public buckets allow. For the variables STORAGE_EMULATOR_HOST, which
may change between calls, and LUTHIER_USER_PROJECT see core/environment.py.
"""

from __future__ import annotations

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
from google.auth.credentials import AnonymousCredentials
from google.auth.environment_vars import CREDENTIALS
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema

from components.core import environment
from components.core.errors import InputError
from components.storage.gcs_errors import error_of_response, one_line, reason_of
from components.storage.retry import (
    RETRYABLE_STATUSES,
    RequestRetries,
    TransientError,
    parse_retry_after,
    patience_s,
    service_answered,
)

CONNECT_TIMEOUT_S = 20.0
READ_TIMEOUT_S = 30.0  # without a byte for so long, a connection counts as lost
_CONNECTIONS = 32  # at least as many as threads that read and write
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_USUAL_UNIVERSE = "googleapis.com"
_REASON_BYTES = 10_000  # of a response that asks for another attempt
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
        return _anonymous({"api_endpoint": endpoint.rstrip("/")})
    try:
        credentials, project = google.auth.default(scopes=[_SCOPE])
    except Exception as error:  # of a key that is no JSON object, google-auth raises anything
        if path := os.environ.get(CREDENTIALS):  # anonymous requests would fail for another reason
            raise InputError(
                f"cannot use '{path}', which {CREDENTIALS} names: {one_line(error).rstrip('.')}; "
                "expected the file of a key; or unset the variable"
            ) from error
        if not isinstance(error, google.auth.exceptions.DefaultCredentialsError):
            raise
        return _anonymous({})
    universe = credentials.universe_domain
    options = {} if universe == _USUAL_UNIVERSE else {"universe_domain": universe}
    # Credentials may have no project. The client requires one, but needs it only to create or list buckets.
    client = storage.Client(project=project or "none", credentials=credentials, client_options=options)
    return Connection(client, _pooled(AuthorizedSession(credentials)))


def _anonymous(options: dict[str, str]) -> Connection:
    # The client's own session would try to renew the credentials after a 401, and fail with a message about that.
    session = _pooled(requests.Session())
    client = storage.Client(project="none", credentials=AnonymousCredentials(), client_options=options, _http=session)
    return Connection(client, session)


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
            f"cannot use STORAGE_EMULATOR_HOST or a proxy variable: {one_line(error)}; expected http://HOST:PORT"
        ) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise TransientError(one_line(error)) from error
    except google.auth.exceptions.GoogleAuthError as error:
        if isinstance(error, google.auth.exceptions.TransportError) or getattr(error, "retryable", False):
            raise TransientError(one_line(error)) from error
        raise InputError(
            f"cannot authenticate to Google Cloud: {one_line(error)}; try `gcloud auth application-default login`"
        ) from error


@contextmanager
def _as_documented() -> Iterator[None]:
    """Turns a response that the client cannot read into `TransientError`: an empty one, for instance, was cut off."""
    try:
        yield
    except requests.exceptions.JSONDecodeError as error:  # from None: the reason is this, and not where the JSON ends
        raise TransientError(f"the response is not as documented: {one_line(error)}") from None
    except (requests.RequestException, google.auth.exceptions.GoogleAuthError, InputError):  # known ones
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise TransientError(f"the response is not as documented: {one_line(error)}") from None


def timeouts_s() -> tuple[float, float]:
    """Returns how long a request waits for its connection, and then for bytes of its response."""
    return min(CONNECT_TIMEOUT_S, patience_s()), min(READ_TIMEOUT_S, patience_s())


@contextmanager
def request(method: str, url: str, **options: Any) -> Iterator[requests.Response]:
    """Makes one attempt and yields its response, whose status the caller must check.

    Raises:
        TransientError: No response, or one that asks for another attempt.
    """
    params = options.pop("params", {})
    if project := user_project():
        params = {**params, "userProject": project}
    timeout = options.pop("timeout", None) or timeouts_s()
    to = connection()
    with to.gate.turn():
        with transient():
            response = to.session.request(method, url, params=params, timeout=timeout, stream=True, **options)
        with closing(response):
            service_answered()
            to.gate.saw_response(response.raw.version)
            if response.status_code in RETRYABLE_STATUSES:
                retry_after_s = parse_retry_after(response.headers.get("Retry-After"))
                raise TransientError(f"{response.status_code} {_said(response)}", retry_after_s)
            yield response


def _said(response: requests.Response) -> str:
    """Returns the reason in the body of a response, or HTTP's words for its status."""
    body = b""
    with suppress(requests.RequestException, urllib3.exceptions.HTTPError, OSError):
        body = response.raw.read(_REASON_BYTES, decode_content=True)
    return reason_of(body.decode(errors="replace")) or response.reason


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
            response = error.response if isinstance(error.response, requests.Response) else None
            text = str(error) if response is None else response.text or response.reason
            if error.code not in RETRYABLE_STATUSES:
                raise error_of_response(uri, error.code, text) from error
            retry_after_s = 0.0 if response is None else parse_retry_after(response.headers.get("Retry-After"))
            retries.wait(TransientError(f"{error.code} {reason_of(text)}", retry_after_s))
