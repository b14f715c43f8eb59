"""What a sort counts for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter

from components.sort.workers import UnitDone

RECORDS = Counter("luthier_sort_records_total", "Records copied into a sorted set.", ["family", "split"])
BYTES = Counter("luthier_sort_bytes_total", "Bytes copied into a sorted set.", ["family", "split"])
QUARANTINED = Counter("luthier_sort_quarantined_total", "Records set aside: damaged or without family.", ["split"])
RETRIES = Counter("luthier_sort_retries_total", "Requests to Cloud Storage made again.", ["operation"])


def count(done: UnitDone) -> None:
    """Counts a unit that has been copied."""
    split = done.task.plan.split
    for entry in done.receipt["objects"]:
        RECORDS.labels(entry["group"], split).inc(entry["records"])
        BYTES.labels(entry["group"], split).inc(entry["bytes"])
    for operation, retries in done.retries.items():
        RETRIES.labels(operation).inc(retries)
    QUARANTINED.labels(split).inc(len(done.receipt["quarantine"]))
