"""Prometheus metrics of a step, served while it runs where LUTHIER_METRICS_PORT is set. Each step has its own."""

from __future__ import annotations

from components.core import environment


def are_served() -> bool:
    """Tells whether anybody can see this process's metrics."""
    return bool(environment.get(environment.METRICS_PORT))


def serve_if_asked() -> None:
    """Starts the HTTP endpoint on the port in LUTHIER_METRICS_PORT; does nothing where that is unset."""
    if are_served():
        from prometheus_client import start_http_server  # brings an HTTP server, a quarter of a short sort's start-up

        start_http_server(environment.get_int(environment.METRICS_PORT))
