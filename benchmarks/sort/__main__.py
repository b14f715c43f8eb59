"""`python -m benchmarks.sort`: measures, prints, writes build/bench/sort*.json and the block of docs/performance.md."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import machine, report
from benchmarks.process import ROOT
from benchmarks.records import Source, write_source
from benchmarks.report import Measured, Row
from benchmarks.sort import local, remote

_PARTS = ("disk", "memory", "tensorflow", "emulator", "requests", "one-shard")
_LIBRARIES = (
    "google-crc32c",
    "google-cloud-storage",
    "requests",
    "urllib3",
    "numpy",
    "tensorflow",
    "gcp-storage-emulator",
)
# Four units and two (see components/sort/units.py), which two workers share evenly, as they nearly do the real splits'.
_BYTES, _EMULATOR_BYTES = 4.0e9, 1.4e9
_ROOM = 2.2  # a source and a copy of it, and a little


def main() -> None:
    """Runs the benchmark."""
    options = _options()
    work = Path(tempfile.mkdtemp(prefix="sort-", dir=_folder(options.work)))
    memory = Path(tempfile.mkdtemp(prefix="luthier-bench-", dir=options.memory))
    try:
        facts = machine.describe({"disk": work, "memory": memory}, _LIBRARIES)
        measured, details = _measure(options, work, memory)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(memory, ignore_errors=True)
    rows = measured.rows
    report.write_json(options.out / "sort.json", report.rows_json(rows))
    if "one_shard" in details:
        report.write_json(options.out / "sort-memory.json", {"emulator-one-shard": details["one_shard"]})
    report.write_json(
        options.out / "sort-details.json",
        {"machine": facts, **details, "runs": measured.runs, "seconds": _seconds(rows)},
    )
    report.print_rows("sort", rows)
    if "one_shard" in details:
        print(_memory_line(details["one_shard"]))
    if options.page:
        report.replace_block(options.page, "bench-sort", _block(rows, facts, details))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sort", description=__doc__)
    parser.add_argument("--bytes", type=float, default=_BYTES, help="of the source of the local rows")
    parser.add_argument("--emulator-bytes", type=float, default=_EMULATOR_BYTES, help="of the source in the emulator")
    parser.add_argument("--shard-bytes", type=float, default=2e9, help="of the one huge shard")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", default=",".join(_PARTS), help="which parts to run; the page needs all")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench", help="folder of the JSON files")
    parser.add_argument("--work", type=Path, default=ROOT / "build/bench", help="a folder on the disk to measure")
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="a folder on a memory file system")
    parser.add_argument("--page", type=Path, help="the page whose block is replaced, for instance docs/performance.md")
    parser.add_argument(
        "--quick", action="store_true", help="try one setting of transfer_manager, a tiny notebook slice"
    )
    options = parser.parse_args()
    options.parts = options.parts.split(",")
    unknown = set(options.parts) - set(_PARTS)
    if unknown or (options.page and set(options.parts) != set(_PARTS)):
        parser.error(f"--parts takes {','.join(_PARTS)}, and --page all of them")
    return options


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _measure(options: argparse.Namespace, work: Path, memory: Path) -> tuple[Measured, dict[str, Any]]:
    """Returns the measurements and their details."""
    cores = len(os.sched_getaffinity(0))
    workers = (1, 2) if cores > 1 else (1,)
    parts, measured, details = options.parts, Measured([], {}), {"rounds": options.rounds}
    if {"disk", "memory", "tensorflow"} & set(parts):
        measured += _local(options, work, memory, workers, details)
    if "emulator" in parts:
        measured += _emulator(options, work, workers, details)
    if "requests" in parts:
        details["requests"] = []
        for size in (options.emulator_bytes, 2 * options.emulator_bytes):  # two points of a line: see benchmarks/scale
            source = write_source(work / "counted", int(size))
            details["requests"].append(remote.count_requests(source, work / "log"))
            shutil.rmtree(source.folder)
    if "one-shard" in parts:
        source = write_source(work / "one", int(options.shard_bytes), shard_bytes=int(2 * options.shard_bytes))
        details["one_shard"] = remote.peak_memory(source, work, _say)
        shutil.rmtree(source.folder)
    return measured, details


def _local(
    options: argparse.Namespace, work: Path, memory: Path, workers: tuple[int, ...], details: dict[str, Any]
) -> Measured:
    source, measured = write_source(work / "source", int(options.bytes)), Measured([], {})
    details |= {"bytes": source.bytes, "records": source.records, "shards": len(source.shards)}
    if "disk" in options.parts:
        for count in workers:
            measured += local.beside_cp(source, work, count, options.rounds, on_disk=True, say=_say)
    if shutil.disk_usage(memory).free > _ROOM * source.bytes:
        source = _moved(source, memory / "source")
        if "memory" in options.parts:
            for count in workers:
                measured += local.beside_cp(source, memory, count, options.rounds, on_disk=False, say=_say)
    else:
        _say(f"'{options.memory}' is too small: no rows of a memory file system, and tf.data writes to the disk")
        memory = work
    if "tensorflow" in options.parts:
        records, rounds = 2 if options.quick else 24, min(options.rounds, 3)
        measured += local.beside_tensorflow(source, memory, rounds, workers[-1], records, _say)
    shutil.rmtree(source.folder)
    return measured


def _emulator(options: argparse.Namespace, work: Path, workers: tuple[int, ...], details: dict[str, Any]) -> Measured:
    source = write_source(work / "remote", int(options.emulator_bytes))
    settings = remote.SETTINGS[:1] if options.quick else remote.SETTINGS
    to_disk, setting = remote.beside_transfer_manager(source, work, workers, settings, options.rounds, _say)
    shutil.rmtree(source.folder)
    small = write_source(work / "small", int(options.emulator_bytes / 2))
    to_remote = remote.emulator_to_emulator(small, work, min(options.rounds, 3), _say)
    shutil.rmtree(small.folder)
    details |= {"emulator_bytes": source.bytes, "emulator_to_emulator_bytes": small.bytes}
    details["transfer_manager"] = setting
    return to_disk + to_remote


def _moved(source: Source, folder: Path) -> Source:
    shutil.copytree(source.folder, folder)
    shutil.rmtree(source.folder)
    shards = tuple(folder / shard.name for shard in source.shards)
    return Source(folder, shards, source.records, source.bytes, source.totals)


def _say(line: str) -> None:
    print(line, flush=True)


def _seconds(rows: list[Row]) -> dict[str, Any]:
    return {row.name: {"ours": row.ours.seconds, "peer": row.peer.seconds} for row in rows}


def _memory_line(one: dict[str, float]) -> str:
    verdict = "met" if one["peak_rss_bytes"] < one["limit_bytes"] else "MISSED"
    return (
        f"Peak memory of a process (VmHWM), one shard of {one['shard_bytes'] / 1e9:.2f} GB from the emulator to disk: "
        f"{one['peak_rss_bytes'] / 1e6:.0f} MB, asked: below {one['limit_bytes'] / 1e6:.0f} MB, {verdict}."
    )


def _block(rows: list[Row], facts: dict[str, str], details: dict[str, Any]) -> str:
    sizes = (
        f"Local rows: {details['bytes'] / 1e9:.2f} GB, {details['records']:,} records, {details['shards']} shards, in "
        f"the page cache. Emulator rows: {details['emulator_bytes'] / 1e9:.2f} GB, transfer_manager at its fastest "
        f"setting here ({details['transfer_manager']}). Median of {details['rounds']} alternated rounds, in brackets "
        "the fastest and the slowest. ratio = peer / ours: above 1 the sort is faster."
    )
    return "\n\n".join(
        [sizes, report.rows_markdown(rows), _memory_line(details["one_shard"]), report.facts_markdown(facts)]
    )


if __name__ == "__main__":
    main()
