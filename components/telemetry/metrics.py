"""Serves the Prometheus metrics of a step while it runs, if LUTHIER_METRICS_PORT is set. Each step defines its own."""

from __future__ import annotations

import errno
import os

from components.core import environment
from components.core.errors import InputError
from components.telemetry import log

_LOG = log.get(__name__)
_LAST_PORT = 65_535
_PORTS_TO_TRY = 20  # several trainings of one machine have the same variable
_LOCAL, _EVERY_ADDRESS = "127.0.0.1", "0.0.0.0"


def are_served() -> bool:
    """Tells whether the metrics of this process are wanted."""
    return bool(environment.get(environment.METRICS_PORT))


def serve_if_asked() -> None:
    """Starts the HTTP endpoint on the port in LUTHIER_METRICS_PORT; does nothing if it is unset.

    A pod serves its metrics to the cluster, another process only to its own machine. If the port is taken, the endpoint
    is on the next free one; where none can be had, the work goes on without metrics. Both cost a warning.

    Raises:
        InputError: The value is no port.
    """
    if not are_served():
        return
    port = environment.get_int(environment.METRICS_PORT)
    if port > _LAST_PORT:
        raise InputError(f"environment variable {environment.METRICS_PORT} is '{port}': expected 0 to {_LAST_PORT}")
    from prometheus_client import start_http_server  # slow: a quarter of a short sort's start-up

    address = _EVERY_ADDRESS if environment.in_cluster() else _LOCAL
    problem = OSError(errno.EADDRINUSE, "")
    for candidate in range(port, min(port + _PORTS_TO_TRY, _LAST_PORT + 1)):
        try:
            start_http_server(candidate, address)
        except OSError as error:
            problem = error
            if error.errno == errno.EADDRINUSE:
                continue
            break
        if candidate != port:
            _LOG.warning("port %d is taken: the metrics are on port %d", port, candidate)
        return
    reason = os.strerror(problem.errno or 0)
    _LOG.warning("cannot serve metrics on port %d: %s; the work goes on without", port, reason)
