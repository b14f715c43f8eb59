"""Metrics never end the work: a port that is taken costs a warning, and only a value that is no port is refused."""

import socket
import urllib.request

import pytest
from prometheus_client import start_http_server

from components.core import environment
from components.core.errors import InputError
from components.telemetry import metrics


@pytest.fixture
def ports(monkeypatch):
    """The address and port of every endpoint that is started, which end with the test."""
    started, servers = [], []

    def start(port, address):
        server, _ = start_http_server(port, address)
        servers.append(server)
        started.append((address, server.server_port))

    monkeypatch.setattr("prometheus_client.start_http_server", start)
    yield started
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_taken_port_costs_a_warning_and_the_next_free_one_is_used(ports, monkeypatch, caplog):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        monkeypatch.setenv(environment.METRICS_PORT, str(taken))
        metrics.serve_if_asked()
        metrics.serve_if_asked()  # as another training would
    assert [address for address, _ in ports] == ["127.0.0.1"] * 2
    assert taken < ports[0][1] < ports[1][1]
    assert f"port {taken} is taken: the metrics are on port {ports[1][1]}" in caplog.text
    with urllib.request.urlopen(f"http://127.0.0.1:{ports[0][1]}/metrics") as answer:
        assert answer.status == 200


def test_a_pod_serves_the_cluster(ports, monkeypatch):
    monkeypatch.setenv(environment.KUBERNETES_SERVICE_HOST, "10.0.0.1")
    monkeypatch.setenv(environment.METRICS_PORT, "0")
    metrics.serve_if_asked()
    assert [address for address, _ in ports] == ["0.0.0.0"]


def test_where_no_port_can_be_had_the_work_goes_on(monkeypatch, caplog):
    def refuse(port, address):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("prometheus_client.start_http_server", refuse)
    monkeypatch.setenv(environment.METRICS_PORT, "80")
    metrics.serve_if_asked()
    assert "cannot serve metrics on port 80: Permission denied; the work goes on without" in caplog.text


@pytest.mark.parametrize("value", ["abc", "99999", "-1", "1.5", " "])
def test_a_value_that_is_no_port_is_refused(monkeypatch, value):
    monkeypatch.setenv(environment.METRICS_PORT, value)
    with pytest.raises(InputError, match=rf"LUTHIER_METRICS_PORT is '{value}': expected"):
        metrics.serve_if_asked()
