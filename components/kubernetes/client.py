"""Requests to a Kubernetes API server. Those that fail because the server is unavailable are repeated.

Objects are plain dictionaries, as in YAML. The official client provides credentials, certificates and connections.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Protocol

import urllib3

from components.core import backoff
from components.core.backoff import Backoff, RetryPolicy
from components.core.errors import InputError
from components.kubernetes.errors import (
    Conflict,
    ConnectionLost,
    NotFound,
    StreamsClosed,
    Unavailable,
    from_client,
)

Object = dict[str, Any]
_TIMEOUT_S = (10, 60)
# A stream may be silent for hours. With these, a server that is gone is noticed within about two minutes.
_KEEPALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
_KEEPALIVE += [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
    if hasattr(socket, name)
]


class _Client(Protocol):
    """The part of kubernetes.client.ApiClient that Api uses."""

    configuration: Any
    rest_client: Any

    def request(self, method: str, url: str, **options: Any) -> Any: ...
    def update_params_for_auth(self, headers: dict[str, str], queries: list[Any], auth_settings: list[str]) -> None: ...


class Api:
    """One namespace of one cluster. Safe to use from several threads.

    Attributes:
        namespace: Name of the namespace.
        server: The API server, for messages: "the API server https://10.0.0.1".
    """

    def __init__(self, client: _Client, namespace: str, policy: RetryPolicy | None = None) -> None:
        self.namespace = namespace
        self._policy = policy
        self._client = client
        self.server = f"the API server {client.configuration.host}"
        pool = client.rest_client.pool_manager.connection_pool_kw
        pool["socket_options"] = [*urllib3.connection.HTTPConnection.default_socket_options, *_KEEPALIVE]
        self._streams: set[Any] = set()
        self._lock = threading.Lock()
        self._closed = False

    def backoff(self, limit_s: float | None = None, sleep: Callable[[float], object] = time.sleep) -> Backoff:
        """Returns a new Backoff for requests to this server; `limit_s` replaces the time limit of its RetryPolicy."""
        policy = self._policy or backoff.DEFAULT
        if limit_s is not None:
            policy = replace(policy, limit_s=limit_s)
        return Backoff(self.server, policy, sleep=sleep)

    def in_namespace(self, namespace: str) -> Api:
        """Returns another namespace of the same cluster."""
        return Api(self._client, namespace, self._policy)

    def get(
        self,
        collection: str,
        name: str = "",
        query: Mapping[str, str] | None = None,
        limit_s: float | None = None,
        until_closed: bool = False,
    ) -> Object:
        """Returns an object, or the list of a collection.

        Args:
            collection: "jobs", "pods", "events" or "configmaps".
            name: Of the object; "" for the list.
            query: The query parameters, for instance `labelSelector`.
            limit_s: Time limit, instead of that of the RetryPolicy.
            until_closed: Do not try again after `close`.

        Raises:
            ApiError: The server refused the request: NotFound where there is no such object.
            StepError: The server did not answer within the time limit.
            InputError: The server's certificate is not trusted.
            StreamsClosed: `close` was called, and `until_closed` is set.
        """
        return self._request("GET", collection, name, query, limit_s=limit_s, until_closed=until_closed)

    def get_path(self, path: str) -> Object:
        """Returns what a path has that is not one of the namespace's collections: "/apis/scheduling.k8s.io/v1/...".

        Raises:
            NotFound: The server has no such path; for instance, the API group is not installed.
            ApiError, StepError, InputError: See `get`.
        """
        return self._repeated("GET", path)

    def create_path(self, path: str, body: Object) -> Object:
        """Creates what `get_path` is for, such as an access review. Raises what that raises."""
        return self._repeated("POST", path, body=body)

    def create(self, collection: str, body: Object, dry_run: bool = False) -> Object:
        """Creates an object and returns it.

        Args:
            collection: See `get`.
            body: The object.
            dry_run: Only check it: the server validates it and applies its defaults and admission, and stores nothing.

        Raises:
            Conflict: An object of that name exists.
            Invalid, BadRequest: The object has an unknown field or a wrong value.
            ApiError, StepError, InputError: See `get`.
        """
        query = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        return self._request("POST", collection, body=body, query=query)

    def patch(self, collection: str, name: str, body: Object, limit_s: float | None = None) -> Object:
        """Applies a JSON merge patch to an object and returns it.

        Raises:
            Conflict: The patch has a `metadata.uid`, and it is not that of the object.
            ApiError, StepError, InputError: See `get`.
        """
        return self._request("PATCH", collection, name, body=body, limit_s=limit_s)

    def delete(self, collection: str, name: str, uid: str, limit_s: float | None = None) -> None:
        """Deletes an object after all that it owns; does nothing if none has that uid. Raises what `get` raises."""
        body = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid}}
        with suppress(NotFound, Conflict):
            self._request("DELETE", collection, name, body=body, limit_s=limit_s)

    @contextmanager
    def stream(
        self, collection: str, name: str = "", query: Mapping[str, str] | None = None, silence_s: float | None = None
    ) -> Iterator[Iterator[bytes]]:
        """Opens a watch or a log and yields an iterator of its complete lines. It does not repeat the request.

        Args:
            collection: See `get`.
            name: Name and subresource of one object: "my-pod/log".
            query: The query parameters.
            silence_s: The longest silence before the connection counts as lost; None for no limit.

        Raises:
            ApiError: The server refused the request.
            ConnectionLost: The connection broke, or could not be made.
            StreamsClosed: `close` was called, before or meanwhile.
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
        except (ConnectionLost, Unavailable):
            self._check_open()
            raise
        finally:
            if response is not None:
                with self._lock:
                    self._streams.discard(response)
                response.close()

    def close(self) -> None:
        """Ends all streams, also those that other threads read; a stream that is opened later ends at once."""
        with self._lock:
            self._closed = True
            for response in self._streams:
                with suppress(ValueError, RuntimeError, OSError):  # the stream has ended already
                    response.shutdown()

    def _check_open(self) -> None:
        if self._closed:
            raise StreamsClosed

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
        until_closed: bool = False,
    ) -> Object:
        return self._repeated(method, self._path(collection, name), query, body, limit_s, until_closed)

    def _repeated(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        limit_s: float | None = None,
        until_closed: bool = False,
    ) -> Object:
        retries = self.backoff(limit_s)
        while True:
            if until_closed:
                self._check_open()
            try:
                response = self._send(method, path, query or {}, body, _TIMEOUT_S)
                result: Object = json.loads(_read(response))
                return result
            except (ConnectionLost, Unavailable) as error:
                if until_closed:
                    self._check_open()
                retries.failed(error, error.retry_after_s if isinstance(error, Unavailable) else None)

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
            if not error.status:  # TLS failed: the client reports it without a status
                reason = " ".join(str(error.reason).split())
                raise InputError(
                    f"the certificate of {self.server} is not trusted: {reason}; check the kubeconfig"
                ) from error
            raise from_client(error) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ConnectionLost(str(error)) from error


def _read(response: Any) -> bytes:
    try:
        data: bytes = response.data
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ConnectionLost(str(error)) from error
    return data


def _lines(response: Any) -> Iterator[bytes]:
    """Yields lines as they arrive. Where the connection breaks within a line, the part of it is dropped."""
    rest = b""
    try:
        for chunk in response.stream(amt=None, decode_content=False):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise ConnectionLost(str(error)) from error
    if rest:
        yield rest
