"""Sends single requests to a Kubernetes API server: credentials that expire, typed errors, the server's time.

The official client provides credentials, certificates and connections.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import urllib3

from components.core.errors import InputError
from components.kubernetes.errors import ConnectionLost, Unauthorized, from_client

# A stream may be silent for hours. With these, a server that is gone is noticed within about two minutes.
_KEEPALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
_KEEPALIVE += [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
    if hasattr(socket, name)
]
# A server or a load balancer that is restarted ends the connection in the middle of the TLS handshake.
_HANDSHAKE_ENDED = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


class Client(Protocol):
    """The part of kubernetes.client.ApiClient that a Sender uses."""

    configuration: Any
    rest_client: Any

    def request(self, method: str, url: str, **options: Any) -> Any: ...
    def update_params_for_auth(self, headers: dict[str, str], queries: list[Any], auth_settings: list[str]) -> None: ...


class Sender:
    """Sends requests. Safe to use from several threads.

    Attributes:
        server: The API server, for messages: "the API server https://10.0.0.1".
    """

    def __init__(self, client: Client, renew: Callable[[], Client] | None = None) -> None:
        """Takes a client.

        Args:
            client: The client.
            renew: Returns a client with new credentials, for a server that does not accept those of `client` any more:
                the token of EKS is valid for 15 minutes, those of GKE and AKS for an hour. None where there are none.
        """
        self._client, self._renew = _kept_alive(client), renew
        self.server = f"the API server {client.configuration.host}"
        self._lock = threading.Lock()
        self._ahead = timedelta(0)  # of the server's clock before this machine's

    def now(self) -> datetime:
        """Returns the time by the server's clock, to the second, as its last answer told; by this machine's before."""
        return datetime.now(UTC) + self._ahead

    def send(self, method: str, path: str, query: Mapping[str, str], body: Any, timeout_s: Any) -> Any:
        """Sends one request and returns the open response, a urllib3.HTTPResponse.

        Raises:
            ApiError: The server refused the request.
            ConnectionLost: There is no connection.
            InputError: The server's certificate is not trusted, or it speaks no TLS.
        """
        client = self._client
        try:
            response = self._send(client, method, path, query, body, timeout_s)
        except Unauthorized:
            if self._renew is None:
                raise
            with self._lock:
                if self._client is client:  # no other thread has renewed it meanwhile
                    self._client = _kept_alive(self._renew())
            response = self._send(self._client, method, path, query, body, timeout_s)
        with suppress(TypeError, ValueError, OverflowError):  # no Date, or no date in it
            self._ahead = parsedate_to_datetime(response.headers.get("Date")) - datetime.now(UTC)
        return response

    def _send(self, client: Client, method: str, path: str, query: Mapping[str, str], body: Any, timeout_s: Any) -> Any:
        from kubernetes.client.exceptions import ApiException

        headers = {"Accept": "application/json, */*"}
        headers["Content-Type"] = "application/merge-patch+json" if method == "PATCH" else "application/json"
        parameters: list[Any] = list(query.items())
        client.update_params_for_auth(headers, parameters, ["BearerToken"])
        try:
            return client.request(
                method,
                client.configuration.host + path,
                query_params=parameters,
                headers=headers,
                body=body,
                _preload_content=False,
                _request_timeout=timeout_s,
            )
        except ApiException as error:
            if not error.status:  # TLS failed: the client reports it without a status
                raise self._tls_error(error) from error
            raise from_client(error) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ConnectionLost(str(error)) from error

    def _tls_error(self, error: Any) -> Exception:
        """Returns the error of a TLS handshake that failed."""
        reason = " ".join(str(error.reason).split())
        causes = getattr(error.__context__, "args", ())
        if any(isinstance(cause, _HANDSHAKE_ENDED) for cause in causes):
            return ConnectionLost(reason)
        if any(isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER" for cause in causes):
            return InputError(
                f"{self.server} answers without TLS: {reason}; expected an https:// server, check the kubeconfig"
            )
        hint = "this machine's clock, and the kubeconfig" if "not yet valid" in reason else "the kubeconfig"
        return InputError(f"the certificate of {self.server} is not trusted: {reason}; check {hint}")


def body_of(response: Any) -> bytes:
    """Reads a whole answer. Raises ConnectionLost."""
    try:
        data: bytes = response.data
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ConnectionLost(str(error)) from error
    return data


def lines_of(response: Any) -> Iterator[bytes]:
    """Yields lines as they arrive. Where the connection breaks within a line, the part of it is dropped.

    Raises:
        ConnectionLost: The connection broke.
    """
    rest = b""
    try:
        for chunk in response.stream(amt=None, decode_content=False):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise ConnectionLost(str(error)) from error
    if rest:
        yield rest


def _kept_alive(client: Client) -> Client:
    pool = client.rest_client.pool_manager.connection_pool_kw
    pool["socket_options"] = [*urllib3.connection.HTTPConnection.default_socket_options, *_KEEPALIVE]
    return client
