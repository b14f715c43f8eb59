"""Prometheus counters of a sort."""

from __future__ import annotations

from prometheus_client import Counter

from components.nsynth.manifest import lost_records
from components.sort.workers import UnitDone

RECORDS = Counter("luthier_sort_records_total", "Records copied into a sorted set.", ["family", "split"])
BYTES = Counter("luthier_sort_bytes_total", "Bytes copied into a sorted set.", ["family", "split"])
QUARANTINED = Counter("luthier_sort_quarantined_total", "Bad records: damaged or without family.", ["split"])
RETRIES = Counter("luthier_sort_retries_total", "Requests to Cloud Storage that were tried again.", ["operation"])


def count(done: UnitDone) -> None:
    """Counts a unit that has been copied."""
    split = done.task.plan.split
    for entry in done.result["objects"]:
        RECORDS.labels(entry["group"], split).inc(entry["records"])
        BYTES.labels(entry["group"], split).inc(entry["bytes"])
    for operation, retries in done.retries.items():
        RETRIES.labels(operation).inc(retries)
    QUARANTINED.labels(split).inc(lost_records(done.result["quarantine"]))
