"""The formulas. docs/scale.md describes them in words; change both together."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from benchmarks.scale import assumptions as a
from benchmarks.scale.assumptions import DataSet

# By kind of request, what Cloud Storage bills. An upload is one operation whatever its requests; deleting is free.
CLASS_A, CLASS_B = ("list", "upload start"), ("metadata", "range")


@dataclass(frozen=True)
class Measured:
    """The measured figures for the calculation, for one worker process from bucket to bucket.

    Attributes:
        copy_cpu_s_per_gb: Processor seconds to sort 1 GB, without start-up and without encryption.
        decrypt_s_per_gb: Processor seconds of TLS to receive 1 GB.
        encrypt_s_per_gb: And to send it.
        fixed: Requests of a sort beside those for its data: a part that is always there.
        per_unit: And a part that every unit adds.
    """

    copy_cpu_s_per_gb: float
    decrypt_s_per_gb: float
    encrypt_s_per_gb: float
    fixed: dict[str, float]
    per_unit: dict[str, float]


def units_of(size: int, shards: int) -> int:
    """Returns the number of units of a split."""
    return max(1, min(shards, round(size / a.UNIT_BYTES)))


def data_requests(size: int, shards: int, units: int) -> Counter[str]:
    """Returns the requests for the data of a split: ranges of its shards; a start and chunks for each part."""
    parts = units * a.FAMILIES
    return Counter(
        {
            "range": shards * math.ceil(size / shards / a.RANGE_BYTES),
            "upload start": parts,
            "upload chunk": parts * math.ceil(size / parts / a.CHUNK_BYTES),
        }
    )


def requests(data: DataSet, measured: Measured) -> Counter[str]:
    """Returns the requests of a sort of all splits, by kind."""
    total = Counter[str]()
    for _, shards, size in data.splits:
        units = units_of(size, shards)
        total += data_requests(size, shards, units)
        pages = math.ceil(
            (shards + units * (a.FAMILIES + 1)) / 2 / a.LIST_PAGE
        )  # half list the source, half the output
        for kind in measured.fixed.keys() | measured.per_unit.keys():
            count = measured.fixed.get(kind, 0) + units * measured.per_unit.get(kind, 0)
            total[kind] += round(count * (pages if kind == "list" else 1))
    return total


def operations(counted: Counter[str]) -> tuple[int, int]:
    """Returns the billed operations of class A and class B."""
    return sum(counted[kind] for kind in CLASS_A), sum(counted[kind] for kind in CLASS_B)


def worker_rates(measured: Measured) -> dict[str, float]:
    """Returns the bytes per second that each limit allows one worker."""
    cpu_s = measured.copy_cpu_s_per_gb + measured.decrypt_s_per_gb + measured.encrypt_s_per_gb
    return {
        "CPU (one core)": 1e9 / cpu_s / a.SLOWER,
        "reading (latency of ranges)": _pipelined(
            a.READ_STREAMS, a.RANGE_BYTES, a.READ_LATENCY_S, a.READ_STREAM_BYTES_PER_S
        ),
        "writing (latency of chunks)": _pipelined(
            a.UPLOAD_THREADS, a.CHUNK_BYTES, a.CHUNK_LATENCY_S, a.WRITE_STREAM_BYTES_PER_S
        ),
        "network of the machine": a.VM_BYTES_PER_S,
    }


def _pipelined(streams: int, size: int, latency_s: float, stream_bytes_per_s: float) -> float:
    return streams * size / (latency_s + size / stream_bytes_per_s)


def shared_rates() -> dict[str, float]:
    """Returns the bytes per second that each limit allows all workers, before the capacity of the bucket grows."""
    return {
        f"bucket, {a.READS_PER_S} reads/s": a.READS_PER_S * a.RANGE_BYTES,
        f"bucket, {a.WRITES_PER_S} writes/s (if every chunk counts as one)": a.WRITES_PER_S * a.CHUNK_BYTES,
        "region's bandwidth quota": a.REGION_BYTES_PER_S,
    }


@dataclass(frozen=True)
class Estimate:
    """A sort by a number of workers.

    Attributes:
        asked: Workers asked for.
        workers: Workers that the plan gives.
        seconds: From the first pod's start to the manifest.
        vm_hours: Of all workers' machines.
        bytes_per_s: Of all workers together, at their best.
        limit: The limiting factor.
    """

    asked: int
    workers: int
    seconds: float
    vm_hours: float
    bytes_per_s: float
    limit: str


def estimate(data: DataSet, asked: int, measured: Measured) -> Estimate:
    """Estimates a sort in the pipeline: plan, workers, commit."""
    units = [
        size / count for _, shards, size in data.splits for count in [units_of(size, shards)] for _ in range(count)
    ]
    workers = max(1, min(asked, len(units), math.ceil(data.bytes / a.WORKER_BYTES)))
    loads = _loads(units, workers)
    rates = worker_rates(measured)
    alone = min(rates, key=rates.__getitem__)
    shares = {name: rate / workers for name, rate in shared_rates().items()}
    together = min(shares, key=shares.__getitem__)
    rate = min(rates[alone], shares[together])
    limit = alone if rates[alone] <= shares[together] else together
    if max(loads) > 1.25 * data.bytes / workers:
        limit += "; and units are coarse: one worker has one more than another"
    busy_s = sum(max(load / rate + a.POD_START_S, 60.0) for load in loads)  # a minute is the least that is billed
    seconds = a.PODS_IN_A_ROW * a.POD_START_S + max(loads) / rate
    return Estimate(asked, workers, seconds, busy_s / 3600, workers * rate, limit)


def _loads(units: list[float], workers: int) -> list[float]:
    """Divides the units into consecutive shares; a unit belongs to the share that contains its middle."""
    total, before, loads = sum(units), 0.0, [0.0] * workers
    for size in units:
        loads[min(workers - 1, int((before + size / 2) * workers / total))] += size
        before += size
    return loads
