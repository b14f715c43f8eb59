"""Connections that fail in the TLS handshake: what is tried again, and what is told to the user."""

import socket
import threading
from contextlib import contextmanager

import pytest
from kubernetes import client

from components.core.backoff import RetryPolicy
from components.core.errors import InputError, StepError
from components.kubernetes.client import Api


@contextmanager
def answering(answer):
    """A port that reads the greeting of TLS, answers it with bytes, and closes the connection."""
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        port.listen()

        def serve():
            while True:
                try:
                    connection, _ = port.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{port.getsockname()[1]}"


def api_at(url):
    configuration = client.Configuration()
    configuration.host, configuration.retries = url, False
    return Api(client.ApiClient(configuration), "luthier", RetryPolicy(limit_s=0.2, first_pause_s=0.05))


def test_a_load_balancer_without_a_server_behind_it_is_no_wrong_certificate():
    with answering(b"") as url, pytest.raises(StepError, match=r"has not answered for .* EOF occurred in"):
        api_at(url).get("jobs")


def test_a_server_without_tls_is_told_as_such():
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url, pytest.raises(InputError, match="answers without TLS"):
        api_at(url).get("jobs")
