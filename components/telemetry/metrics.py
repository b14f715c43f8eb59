"""Prometheus counters of the data steps, served while a step runs where LUTHIER_METRICS_PORT is set."""

from __future__ import annotations

import os

from prometheus_client import Counter, start_http_server

PORT_VARIABLE = "LUTHIER_METRICS_PORT"

SORT_RECORDS = Counter("luthier_sort_records_total", "Records copied into a sorted set.", ["family", "split"])
SORT_BYTES = Counter("luthier_sort_bytes_total", "Bytes copied into a sorted set.", ["family", "split"])
SORT_QUARANTINED = Counter("luthier_sort_quarantined_total", "Records set aside: damaged or without family.", ["split"])
SORT_RETRIES = Counter("luthier_sort_retries_total", "Requests to Cloud Storage made again.", ["operation"])


def serve_if_asked() -> None:
    """Starts the HTTP endpoint on the port in LUTHIER_METRICS_PORT; does nothing where that is unset."""
    port = os.environ.get(PORT_VARIABLE)
    if port:
        start_http_server(int(port))
