"""`python -m benchmarks.scale`: calculates from build/bench/sort-details.json, prints, and fills docs/scale.md."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import report, tls
from benchmarks.process import ROOT
from benchmarks.scale import assumptions as a
from benchmarks.scale import model
from benchmarks.scale.assumptions import SUBSET, DataSet
from benchmarks.scale.model import Estimate, Measured

_WORKERS = (1, 8, 32)
_RUN = "emulator to emulator: sort"


def main() -> None:
    """Runs the calculation."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--details", type=Path, default=ROOT / "build/bench/sort-details.json")
    parser.add_argument("--page", type=Path, help="the page whose block is replaced, for instance docs/scale.md")
    options = parser.parse_args()
    details = json.loads(options.details.read_text())
    measured = figures(details, *tls.cpu_s_per_gb())
    text = block(details, measured)
    print(text)
    if options.page:
        report.replace_block(options.page, "scale", text)


def figures(details: dict[str, Any], decrypt_s_per_gb: float, encrypt_s_per_gb: float) -> Measured:
    """Returns the calculation's figures from what the benchmark of the sort wrote."""
    run, size = details["runs"][_RUN], details["emulator_to_emulator_bytes"]
    # Start-up is one core at work, so its seconds are processor seconds.
    copy_cpu_s = run["cpu_s"] - (run["wall_s"] - run["work_s"])
    (units, few), (more_units, more) = (_beside_data(entry) for entry in details["requests"])
    kinds = few.keys() | more.keys()
    per_unit = {kind: (more[kind] - few[kind]) / (more_units - units) for kind in kinds}
    fixed = {kind: few[kind] - units * per_unit[kind] for kind in kinds}
    return Measured(copy_cpu_s / size * 1e9, decrypt_s_per_gb, encrypt_s_per_gb, fixed, per_unit)


def _beside_data(entry: dict[str, Any]) -> tuple[int, Counter[str]]:
    """Returns the units of a counted sort, and its requests without those that moved its data."""
    rest = Counter[str](entry["counted"])
    rest.subtract(entry["data"])
    return entry["units"], rest


def block(details: dict[str, Any], measured: Measured) -> str:
    """Returns the calculated part of docs/scale.md."""
    sets = (SUBSET, SUBSET.times(100))
    estimates = {data.name: [model.estimate(data, workers, measured) for workers in _WORKERS] for data in sets}
    machine = details["machine"]
    return "\n\n".join(
        [
            f"Measured on {machine['date']}, commit {machine['commit']}, {machine['CPU']}.",
            "### Figures\n\n" + _figures(details, measured),
            "### Requests\n\n" + _requests(sets, measured),
            "### Time and machines\n\n" + _times(estimates),
            "### Money\n\n" + _money(sets, estimates, measured),
            "### Limits\n\n" + _limits(measured, estimates),
        ]
    )


def _table(head: str, rows: list[str]) -> str:
    return "\n".join([f"| {head} |", "|" + " --- |" * (head.count("|") + 1), *(f"| {row} |" for row in rows)])


def _figures(details: dict[str, Any], measured: Measured) -> str:
    rows = [
        f"sort, bucket to bucket, processor seconds for 1 GB (plain HTTP) | {measured.copy_cpu_s_per_gb:.2f}",
        f"TLS, received: processor seconds for 1 GB | {measured.decrypt_s_per_gb:.2f}",
        f"TLS, sent: processor seconds for 1 GB | {measured.encrypt_s_per_gb:.2f}",
    ]
    for name, what in (("disk-1-durable", "one worker"), ("disk-2-durable", "two workers")):
        if name in details["seconds"]:
            seconds = report.median(details["seconds"][name]["ours"])
            rate = details["bytes"] / seconds
            whole = SUBSET.bytes / rate
            rows.append(f"local disk, {what}: MB/s, and the subset at that rate | {rate / 1e6:,.0f}, {whole:,.0f} s")
    if "notebook" in details["seconds"]:
        rate = details["bytes"] / report.median(details["seconds"]["notebook"]["peer"])
        rows.append(f"the notebook's way: MB/s, and the subset | {rate / 1e6:.1f}, {SUBSET.bytes / rate / 3600:.1f} h")
    return _table("figure | value", rows)


def _requests(sets: tuple[DataSet, ...], measured: Measured) -> str:
    rows = []
    for data in sets:
        counted = model.requests(data, measured)
        class_a, class_b = model.operations(counted)
        units = sum(model.units_of(size, shards) for _, shards, size in data.splits)
        kinds = ", ".join(f"{counted[kind]:,} {kind}" for kind in sorted(counted) if counted[kind])
        rows.append(
            f"{data.name} | {data.records:,} | {data.bytes / 1e9:,.1f} GB | {data.shards:,} | {units:,} | "
            f"{units * a.FAMILIES:,} | {kinds} | {class_a:,} | {class_b:,}"
        )
    return _table("set | records | bytes | shards | units | parts | requests | class A | class B", rows)


def _duration(seconds: float) -> str:
    return (
        f"{seconds:,.0f} s"
        if seconds < 600
        else f"{seconds / 60:,.0f} min"
        if seconds < 36000
        else f"{seconds / 3600:,.1f} h"
    )


def _times(estimates: dict[str, list[Estimate]]) -> str:
    rows = [
        f"{name} | {found.asked} | {found.workers} | {_duration(found.seconds)} | {found.bytes_per_s / 1e9:.2f} GB/s | "
        f"{found.vm_hours:.2f} | {found.limit}"
        for name, row in estimates.items()
        for found in row
    ]
    return _table("set | workers asked | given | time | together | machine hours | limit", rows)


def _money(sets: tuple[DataSet, ...], estimates: dict[str, list[Estimate]], measured: Measured) -> str:
    rows = []
    for data in sets:
        class_a, class_b = model.operations(model.requests(data, measured))
        gib = data.bytes / a.GIB
        machines = ", ".join(f"{found.asked}: {_usd(found.vm_hours * a.VM_HOUR_USD)}" for found in estimates[data.name])
        rows.append(
            f"{data.name} | {_usd(class_a * a.CLASS_A_USD + class_b * a.CLASS_B_USD)} | "
            f"{machines} | {_usd(0)} | "
            f"{_usd(gib * a.INTER_REGION_USD)} | {_usd(gib * a.INTERNET_USD)} | {_usd(gib * a.STORAGE_USD)}"
        )
    head = (
        "set | operations | machines, by workers | network, same location | "
        "between regions of North America | to the internet | storing the copy, a month"
    )
    return _table(head, rows)


def _usd(value: float) -> str:
    return f"${value:,.2f}" if value >= 0.1 or value == 0 else f"${value:.3f}"


def _limits(measured: Measured, estimates: dict[str, list[Estimate]]) -> str:
    rates = model.worker_rates(measured)
    rows = [
        f"one worker: {name} | {rate / 1e6:,.0f} MB/s" for name, rate in sorted(rates.items(), key=lambda row: row[1])
    ]
    most = max(found.workers for row in estimates.values() for found in row)
    rows += [
        f"all workers: {name} | {rate / 1e6:,.0f} MB/s, {rate / most / 1e6:,.0f} each of {most}"
        for name, rate in sorted(model.shared_rates().items(), key=lambda row: row[1])
    ]
    return _table("limit | allows", rows)


if __name__ == "__main__":
    main()
