"""Serves the Prometheus metrics of a step while it runs, if LUTHIER_METRICS_PORT is set. Each step defines its own."""

from __future__ import annotations

from components.core import environment


def are_served() -> bool:
    """Tells whether the metrics of this process are served."""
    return bool(environment.get(environment.METRICS_PORT))


def serve_if_asked() -> None:
    """Starts the HTTP endpoint on the port in LUTHIER_METRICS_PORT; does nothing if it is unset."""
    if are_served():
        from prometheus_client import start_http_server  # slow: a quarter of a short sort's start-up

        start_http_server(environment.get_int(environment.METRICS_PORT))
