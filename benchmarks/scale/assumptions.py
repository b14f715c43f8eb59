"""Assumptions of the calculation: sizes, limits and prices, each with its source and date.

Prices are public list prices in US dollars, before discounts, free allowances and tax. They change: look again.
"""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1 << 30


@dataclass(frozen=True)
class DataSet:
    """A source: for each split its records, shards and bytes, framing included."""

    name: str
    splits: tuple[tuple[int, int, int], ...]

    @property
    def records(self) -> int:
        """Of all splits."""
        return sum(split[0] for split in self.splits)

    @property
    def shards(self) -> int:
        """Of all splits."""
        return sum(split[1] for split in self.splits)

    @property
    def bytes(self) -> int:
        """Of all splits."""
        return sum(split[2] for split in self.splits)

    def times(self, factor: int) -> DataSet:
        """Returns a set with a multiple of the shards."""
        splits = tuple((records * factor, shards * factor, size * factor) for records, shards, size in self.splits)
        return DataSet(f"{factor} times {self.name}", splits)


_FRAMING_BYTES = 16
# Records, shards and serialised bytes: TFDS's catalogue of nsynth/gansynth_subset.f0_and_loudness 2.3.3.
_SPLITS = ((60_788, 128, 16_569_629_621), (17_469, 64, 4_761_710_690), (8_518, 32, 2_321_841_545))
SUBSET = DataSet(
    "the subset", tuple((records, shards, size + _FRAMING_BYTES * records) for records, shards, size in _SPLITS)
)
FAMILIES = 10  # of eleven: the subset has no synth_lead

# How the sort works: components/sort/{units,parallel_sort}.py, components/storage/gcs_{reading,writing}.py.
UNIT_BYTES = 10 * (64 << 20)  # a unit is so many shards that ten families' parts come near 64 MiB
WORKER_BYTES = 1 << 30  # the pipeline asks for no worker with less than this
RANGE_BYTES, READ_STREAMS = 8 << 20, 5
CHUNK_BYTES, UPLOAD_THREADS = 8 << 20, 8

# Cloud Storage. Rates: cloud.google.com/storage/docs/request-rate and /storage/quotas.
LIST_PAGE = 1000
READS_PER_S, WRITES_PER_S = 5000, 1000  # a bucket's capacity before it grows, which it does by doubling in 20 minutes
REGION_BYTES_PER_S = 200e9 / 8  # a project's default quota of bandwidth to Google's own services, per region
# One stream of a large object, from a public benchmark on a large machine; and sending, as in the issue below.
READ_STREAM_BYTES_PER_S, WRITE_STREAM_BYTES_PER_S = 200 * (1 << 20), 100 * (1 << 20)
# Until a range's first byte: taken, not measured. Between two chunks of an upload: 20-50 ms within a region, says
# github.com/googleapis/google-cloud-swift/issues/886 (2026-09); the longer one is taken.
READ_LATENCY_S, CHUNK_LATENCY_S = 0.05, 0.05

# A worker is a pod on a machine of its own: n2-standard-2, two hyperthreads, 10 Gbit/s.
MACHINE, VM_BYTES_PER_S, VM_HOUR_USD = "n2-standard-2", 10e9 / 8, 0.0971
SLOWER = 2.0  # how much slower one of its hyperthreads is than a core of the measured machine. Taken, not measured
POD_START_S, PODS_IN_A_ROW = 30.0, 3  # plan, workers, commit; image there already. Taken, not measured

# USD. Operations, storage and the way to the internet: cloud.google.com/storage/pricing as transcribed on 2026-09-20
# (github.com/api-evangelist/gcp-cloud-storage). That an upload is one operation: "A completed resumable upload is
# considered one Class A operation", cloud.google.com/storage/docs/resumable-uploads. Machine: us-central1, on demand,
# 2026-09. Between regions of North America: SKU 8878-37D4-D2AC in a list of 2025.
CLASS_A_USD, CLASS_B_USD = 0.005 / 1000, 0.0004 / 1000  # standard storage in one region
INTER_REGION_USD, INTERNET_USD = 0.02, 0.12  # per GiB, the first tier; within one location it is free
STORAGE_USD = 0.000027397 * 730  # per GiB and month
