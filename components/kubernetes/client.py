"""Requests to a Kubernetes API server. Those that fail because the server is unavailable are repeated.

Objects are plain dictionaries, as in YAML.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from components.core import backoff
from components.core.backoff import Backoff, Outage, RetryPolicy
from components.kubernetes.errors import (
    ApiError,
    Conflict,
    ConnectionLost,
    NotFound,
    StreamsClosed,
    Unavailable,
)
from components.kubernetes.sender import Client, Sender, body_of, lines_of

Object = dict[str, Any]
_TIMEOUT_S = (10, 60)


class Api:
    """One namespace of one cluster. Safe to use from several threads.

    Attributes:
        namespace: Name of the namespace.
        server: The API server, for messages: "the API server https://10.0.0.1".
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        policy: RetryPolicy | None = None,
        renew: Callable[[], Client] | None = None,
    ) -> None:
        """Takes a client, and what returns one with new credentials; see Sender."""
        self.namespace = namespace
        self._policy = policy
        self._client, self._renew = client, renew
        self._sender = Sender(client, renew)
        self.server = self._sender.server
        self._outage = Outage()
        self._streams: set[Any] = set()
        self._lock = threading.Lock()
        self._closed = False

    def now(self) -> datetime:
        """Returns the time by the server's clock; see Sender.now."""
        return self._sender.now()

    def backoff(self, limit_s: float | None = None, sleep: Callable[[float], object] = time.sleep) -> Backoff:
        """Returns a new Backoff for requests to this server; `limit_s` replaces the time limit of its RetryPolicy.

        With a shorter limit it logs no warning: the error that soon follows says the same.
        """
        policy = self._policy or backoff.DEFAULT
        if limit_s is not None:
            warn_after = policy.warn_after if limit_s >= policy.limit_s else sys.maxsize
            policy = replace(policy, limit_s=limit_s, warn_after=warn_after)
        return Backoff(self.server, policy, outage=self._outage, sleep=sleep)

    def in_namespace(self, namespace: str) -> Api:
        """Returns another namespace of the same cluster."""
        return Api(self._client, namespace, self._policy, self._renew)

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
            response = self._sender.send("GET", self._path(collection, name), query or {}, None, (10, silence_s))
            with self._lock:
                self._streams.add(response)
            self._check_open()
            yield lines_of(response)
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
                found = _parsed(self._sender.send(method, path, query or {}, body, _TIMEOUT_S))
                retries.answered()
                return found
            except (ConnectionLost, Unavailable) as error:
                if until_closed:
                    self._check_open()
                retries.failed(error, error.retry_after_s if isinstance(error, Unavailable) else None)


def _parsed(response: Any) -> Object:
    data = body_of(response)
    try:
        result: Object = json.loads(data)
    except ValueError as error:  # the page of a proxy or of a login
        begin = " ".join(data[:60].decode(errors="replace").split())
        raise ApiError(response.status, f"the answer is no JSON but '{begin}': is it an API server?") from error
    return result
