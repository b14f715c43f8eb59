"""Rows with the emulator: `luthier sort` against transfer_manager; the memory for one huge shard; request counts."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import emulator, timing
from benchmarks.emulator import Emulator
from benchmarks.process import run_function
from benchmarks.records import Source
from benchmarks.report import Measured, Row
from benchmarks.scale.assumptions import CHUNK_BYTES, RANGE_BYTES
from benchmarks.sort.local import Say, check_sorted, remove
from benchmarks.timing import Contender, Run

_AS_TRANSFER_MANAGER = 1.0  # the ratio to it that is asked of the sort
MEMORY_LIMIT_BYTES = 400_000_000  # of a worker, whatever the shard's size

Setting = tuple[str, str, int]

# function, worker type, workers: what transfer_manager can be set to, its default first.
SETTINGS: tuple[Setting, ...] = (
    ("download_many", "process", 8),
    ("download_many", "process", 2),
    ("download_many", "thread", 8),
    ("download_many", "thread", 2),
    ("download_chunks_concurrently", "process", 8),
    ("download_chunks_concurrently", "process", 2),
    ("download_chunks_concurrently", "thread", 8),
)


def fill(server: Emulator, source: Source, bucket: str) -> str:
    """Uploads a source's shards and its dataset_info.json to a new bucket; returns its URI."""
    uri = server.make_bucket(bucket)
    for path in sorted(source.folder.iterdir()):
        server.upload(path, bucket, path.name)
    return uri


def beside_transfer_manager(
    source: Source, work: Path, worker_counts: tuple[int, ...], settings: tuple[Setting, ...], rounds: int, say: Say
) -> tuple[Measured, str]:
    """Measures the sort from the emulator to disk against transfer_manager's download of the same objects.

    Returns:
        What was measured, and the setting of transfer_manager that was fastest and hence taken, in words.
    """
    with emulator.running() as server:
        uri = fill(server, source, "source")
        setting = _fastest_setting(server, source, work, settings, say)
        peer = partial(_download, server, source, work / "downloaded", setting)
        contenders = [
            *(_sort_contender(server, uri, source, work / "sorted", count) for count in worker_counts),
            Contender("download", peer, lambda: remove(work / "downloaded")),
            Contender("download and flush", partial(peer, durable=True), lambda: remove(work / "downloaded")),
        ]
        runs = timing.alternate(contenders, rounds, say)
    words = f"{setting[0]}, {setting[2]} {setting[1]} workers"
    rows = [row for count in worker_counts for row in _download_rows(runs, count, words)]
    return Measured(rows, {f"emulator: {key}": timing.medians(series) for key, series in runs.items()}), words


def _download_rows(runs: dict[str, list[Run]], count: int, setting: str) -> list[Row]:
    sorts, download, flushed = runs[f"sort {count}"], runs["download"], runs["download and flush"]
    many, name = f"{count} worker{'s' if count > 1 else ''}", f"emulator-{count}"
    what = f"emulator to disk, {many}: sort, flushed, against transfer_manager ({setting}), not flushed"
    both = "the same, transfer_manager's files flushed too"
    neither = "the first, without either's start-up of Python"
    return [
        Row(name, timing.wall(sorts), timing.wall(download), what, _AS_TRANSFER_MANAGER),
        Row(f"{name}-both-flushed", timing.wall(sorts), timing.wall(flushed), both),
        Row(f"{name}-without-start-up", timing.work(sorts), timing.work(download), neither),
    ]


def emulator_to_emulator(source: Source, work: Path, rounds: int, say: Say) -> Measured:
    """Measures the sort from bucket to bucket against transfer_manager, which uses the disk. For information."""
    with emulator.running() as server:
        uri, out = fill(server, source, "source"), server.make_bucket("out")

        def sort() -> Run:
            return run_function("benchmarks.sort.ours:sort", uri, out, 1, environment=server.environment)

        def copy() -> Run:
            arguments = ("source", "out", work / "between", "process", 2)
            return run_function("benchmarks.sort.peer_transfer:copy", *arguments, environment=server.environment)

        def clean() -> None:
            server.empty("out")
            remove(work / "between")

        runs = timing.alternate([Contender("sort", sort, clean), Contender("copy", copy, clean)], rounds, say)
    what = (
        f"emulator to emulator, {source.bytes / 1e6:,.0f} MB, 1 worker: sort against transfer_manager's "
        "download and upload; the emulator's resumable uploads bind"
    )
    rows = [Row("emulator-to-emulator", timing.wall(runs["sort"]), timing.wall(runs["copy"]), what)]
    return Measured(rows, {f"emulator to emulator: {key}": timing.medians(series) for key, series in runs.items()})


def peak_memory(source: Source, work: Path, say: Say) -> dict[str, float]:
    """Sorts a source of one huge shard from the emulator to disk and returns the peak memory of a process."""
    with emulator.running() as server:
        uri = fill(server, source, "source")
        remove(work / "sorted")
        run = run_function(
            "benchmarks.sort.ours:sort", uri, work / "sorted", 1, environment=server.environment, watch_memory=True
        )
        check_sorted(work / "sorted", source)
        remove(work / "sorted")
    say(f"one shard of {source.bytes / 1e6:,.0f} MB: {run.peak_rss_bytes / 1e6:.0f} MB")
    return {
        "shard_bytes": source.bytes,
        "peak_rss_bytes": run.peak_rss_bytes,
        "limit_bytes": MEMORY_LIMIT_BYTES,
        "processes": run.extra["processes"],
    }


def count_requests(source: Source, work: Path) -> dict[str, Any]:
    """Sorts a source from bucket to bucket and counts all requests and those that transfer data.

    Returns:
        Its bytes, shards, units and parts; `counted`, the requests by kind; `data`, how many of these the sizes of its
        shards and parts explain (see benchmarks/scale). What is left are listings, receipts, lease and manifest.
    """
    work.mkdir(parents=True, exist_ok=True)
    with emulator.running(work / "emulator.log") as server:
        uri, out = fill(server, source, "source"), server.make_bucket("out")
        before = server.requests()
        run_function("benchmarks.sort.ours:sort", uri, out, 1, environment=server.environment)
        counted = server.requests() - before
        sizes = {name: size for name, size in server.sizes("out").items() if name.endswith(".tfrecord")}
    data = {
        "range": sum(math.ceil(path.stat().st_size / RANGE_BYTES) for path in source.shards),
        "upload start": len(sizes),
        "upload chunk": sum(max(1, math.ceil(size / CHUNK_BYTES)) for size in sizes.values()),
    }
    units = len({name.rpartition("/")[2] for name in sizes})
    facts = {"bytes": source.bytes, "shards": len(source.shards), "units": units, "parts": len(sizes)}
    return {**facts, "counted": dict(sorted(counted.items())), "data": data}


def _sort_contender(server: Emulator, uri: str, source: Source, out: Path, workers: int) -> Contender:
    def run() -> Run:
        measured = run_function("benchmarks.sort.ours:sort", uri, out, workers, environment=server.environment)
        check_sorted(out, source)
        return measured

    return Contender(f"sort {workers}", run, lambda: remove(out))


def _download(server: Emulator, source: Source, out: Path, setting: Setting, durable: bool = False) -> Run:
    function = "benchmarks.sort.peer_transfer:download"
    flush = "durable" if durable else ""
    run = run_function(function, "source", out, *setting, flush, environment=server.environment)
    assert sum(path.stat().st_size for path in out.glob("*.tfrecord-*")) == source.bytes
    return run


def _fastest_setting(server: Emulator, source: Source, work: Path, settings: tuple[Setting, ...], say: Say) -> Setting:
    """Tries the settings in turns, twice each, and returns the one with the fastest single run."""
    out = work / "downloaded"
    contenders: list[Contender] = []
    by_name: dict[str, Setting] = {}
    clean: Callable[[], None] = partial(remove, out)
    for setting in settings:
        name = " ".join(map(str, setting))
        by_name[name] = setting
        contenders.append(Contender(name, partial(_download, server, source, out, setting), clean))
    runs = timing.alternate(contenders, 2, say)
    best = min(runs, key=lambda name: min(run.wall_s for run in runs[name]))
    shutil.rmtree(out, ignore_errors=True)
    return by_name[best]
