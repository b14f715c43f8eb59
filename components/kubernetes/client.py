"""The few requests that Luthier makes of a Kubernetes API server, patient with one that is away for a while.

Objects are plain dictionaries, as in YAML. The official client brings credentials, certificates and connections.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Protocol

import urllib3

from components.core import backoff
from components.core.backoff import Backoff, RetryPolicy
from components.core.errors import InputError
from components.kubernetes.errors import RETRIED, ApiError, in_words

Object = dict[str, Any]
_TIMEOUT_S = (10, 60)
# A stream may be silent for hours. These notice within about two minutes that the other side is gone.
_KEEPALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
_KEEPALIVE += [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
    if hasattr(socket, name)
]


class Dropped(Exception):  # noqa: N818 - what happens to a connection every day is no error
    """The connection broke, or there was none."""


class Closed(Exception):  # noqa: N818 - nor is this: its reader is not needed any more
    """The API's streams were closed."""


class _Client(Protocol):
    """What is used of kubernetes.client.ApiClient."""

    configuration: Any
    rest_client: Any

    def request(self, method: str, url: str, **options: Any) -> Any: ...
    def update_params_for_auth(self, headers: dict[str, str], queries: list[Any], auth_settings: list[str]) -> None: ...


class Api:
    """One namespace of one cluster. Safe to use from several threads.

    Attributes:
        namespace: Its name.
    """

    def __init__(self, client: _Client, namespace: str, policy: RetryPolicy | None = None) -> None:
        self.namespace = namespace
        self._policy = policy
        self._client = client
        self._who = f"the API server {client.configuration.host}"
        pool = client.rest_client.pool_manager.connection_pool_kw
        pool["socket_options"] = [*urllib3.connection.HTTPConnection.default_socket_options, *_KEEPALIVE]
        self._streams: set[Any] = set()
        self._lock = threading.Lock()
        self._closed = False

    def backoff(self, limit_s: float | None = None) -> Backoff:
        """Returns a new Backoff for a request to this server; `limit_s` replaces its time limit."""
        policy = self._policy or backoff.DEFAULT
        if limit_s is not None:
            policy = replace(policy, limit_s=limit_s)
        return Backoff(self._who, policy)

    def get(
        self, collection: str, name: str = "", query: Mapping[str, str] | None = None, limit_s: float | None = None
    ) -> Object:
        """Returns an object, or the list of a collection such as "jobs", "pods", "events", "configmaps".

        Raises:
            ApiError: The server said no: 404 where there is no such object.
            InputError: It says that the user may not.
            StepError: It did not answer within `limit_s`, or the limit of backoff.RetryPolicy.
        """
        return self._request("GET", collection, name, query, limit_s=limit_s)

    def create(self, collection: str, body: Object) -> Object:
        """Creates an object; a field that Kubernetes does not know is an error. Errors as of `get`; 409: it exists."""
        return self._request("POST", collection, body=body, query={"fieldValidation": "Strict"})

    def patch(self, collection: str, name: str, body: Object, limit_s: float | None = None) -> Object:
        """Changes what `body` names (a JSON merge patch). Errors as of `get`; 409: a `metadata.uid` is another."""
        return self._request("PATCH", collection, name, body=body, limit_s=limit_s)

    def delete(self, collection: str, name: str, uid: str, limit_s: float | None = None) -> None:
        """Deletes one object and, before it, what it owns; nothing where none has that uid. Errors as of `get`."""
        body = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid}}
        try:
            self._request("DELETE", collection, name, body=body, limit_s=limit_s)
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    @contextmanager
    def stream(
        self, collection: str, name: str = "", query: Mapping[str, str] | None = None, silence_s: float | None = None
    ) -> Iterator[Iterator[bytes]]:
        """Opens a watch or a log and yields an iterator of its whole lines. Nothing is tried again.

        Args:
            collection: As of `get`.
            name: Of one object, with what is asked of it: "my-pod/log".
            query: What to ask for.
            silence_s: The longest silence before it counts as dropped; any if None.

        Raises:
            ApiError: The server said no.
            Dropped: The connection broke, or there was none.
            Closed: `close` was called, before or meanwhile.
        """
        response = None
        try:
            self._check_open()
            response = self._send("GET", self._path(collection, name), query or {}, None, (10, silence_s))
            with self._lock:
                self._streams.add(response)
            self._check_open()
            yield _lines(response)
            self._check_open()
        except Dropped:
            self._check_open()
            raise
        finally:
            if response is not None:
                with self._lock:
                    self._streams.discard(response)
                response.close()

    def close(self) -> None:
        """Ends all streams, also those that another thread is reading; what is opened later ends at once."""
        with self._lock:
            self._closed = True
            for response in self._streams:
                with suppress(ValueError, RuntimeError, OSError):  # it has ended by itself
                    response.shutdown()

    def in_words(self, error: ApiError, collection: str) -> Exception:
        """Returns what to raise for an answer; see answers.in_words."""
        return in_words(error, self._who, self.namespace, collection)

    def _check_open(self) -> None:
        if self._closed:
            raise Closed

    def _path(self, collection: str, name: str) -> str:
        root = "/apis/batch/v1" if collection == "jobs" else "/api/v1"
        return "/".join([f"{root}/namespaces/{self.namespace}/{collection}", *filter(None, [name])])

    def _request(
        self,
        method: str,
        collection: str,
        name: str = "",
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        limit_s: float | None = None,
    ) -> Object:
        retries, path = self.backoff(limit_s), self._path(collection, name)
        while True:
            try:
                response = self._send(method, path, query or {}, body, _TIMEOUT_S)
                result: Object = json.loads(_read(response))
                return result
            except Dropped as error:
                retries.failed(error)
            except ApiError as error:
                if error.code not in RETRIED:
                    raise self.in_words(error, collection) from error
                retries.failed(error, error.retry_after_s)

    def _send(self, method: str, path: str, query: Mapping[str, str], body: Object | None, timeout_s: Any) -> Any:
        """Sends one request and returns the open response, a urllib3.HTTPResponse."""
        from kubernetes.client.exceptions import ApiException

        headers = {"Accept": "application/json, */*"}
        headers["Content-Type"] = "application/merge-patch+json" if method == "PATCH" else "application/json"
        parameters: list[Any] = list(query.items())
        self._client.update_params_for_auth(headers, parameters, ["BearerToken"])
        try:
            return self._client.request(
                method,
                self._client.configuration.host + path,
                query_params=parameters,
                headers=headers,
                body=body,
                _preload_content=False,
                _request_timeout=timeout_s,
            )
        except ApiException as error:
            if not error.status:  # a certificate that is not accepted
                reason = " ".join(str(error.reason).split())
                raise InputError(f"{self._who} cannot be trusted: {reason}; look at the kubeconfig") from error
            raise ApiError.of(error) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Dropped(str(error)) from error


def _read(response: Any) -> bytes:
    try:
        data: bytes = response.data
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Dropped(str(error)) from error
    return data


def _lines(response: Any) -> Iterator[bytes]:
    """Yields lines as they come. What a broken connection leaves of a line is dropped: it will come again, whole."""
    rest = b""
    try:
        for chunk in response.stream(amt=None, decode_content=False):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise Dropped(str(error)) from error
    if rest:
        yield rest
