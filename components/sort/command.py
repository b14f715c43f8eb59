"""The command `luthier sort`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from components.core.errors import InputError
from components.core.text import counted

if TYPE_CHECKING:
    from components.sort.result import SortResult


@click.command("sort")
@click.option("--source", metavar="URI", help="Directory of nsynth-<split>.tfrecord-* shards.")
@click.option("--out", metavar="URI", help="Root of the sorted set.")
@click.option("--split", default="train", show_default=True, help="train, valid, test, or all.")
@click.option("--by", default="family", show_default=True, help="Field to sort by: family, instrument or source.")
@click.option(
    "--where", multiple=True, metavar="CONDITION", help="Take only records with, e.g., pitch=40..60; repeatable."
)
@click.option(
    "--workers", type=click.IntRange(1), default=None, help="Processes that copy. [default: one for each core]"
)
@click.option(
    "--on-bad-record",
    default="stop",
    show_default=True,
    help="For a record that is damaged or has no family: stop, or quarantine (set it aside and count it).",
)
@click.option("--overwrite", is_flag=True, help="Replace another sort in --out, finished or not.")
@click.option("--verify", "verify_uri", metavar="URI", help="Read a sorted set again and check it; sorts nothing.")
def command(
    source: str | None,
    out: str | None,
    split: str,
    by: str,
    where: tuple[str, ...],
    workers: int | None,
    on_bad_record: str,
    overwrite: bool,
    verify_uri: str | None,
) -> None:
    """Sort records into shards of one instrument family.

    It copies the records byte for byte. Sorting the same again does nothing; a sort that was killed is continued.
    <out>/<split>/manifest.json is written last, when all records are there.

    Conditions of --where: pitch and velocity take ranges and lists (pitch=40..60, velocity>=100, velocity=25,50),
    source takes names (source=acoustic,electronic). A public bucket needs no credentials. A requester-pays bucket
    needs the project that pays in LUTHIER_USER_PROJECT.
    """
    from components.telemetry import metrics

    metrics.serve_if_asked()
    workers = workers or len(os.sched_getaffinity(0))
    if verify_uri is not None:
        _verify(verify_uri, workers)
        return
    if source is None or out is None:
        raise InputError("`luthier sort` needs --source and --out, or --verify with a sorted set")
    from components.sort import step

    options = step.SortOptions(by, where, on_bad_record, workers, overwrite)
    splits = step.sort(source, out, () if split == "all" else (split,), options).splits
    _print_table(splits)
    for name, result in splits.items():
        done = "was sorted before; nothing to do" if result.reused else f"sorted, {result.bytes / 1e6:,.1f} MB"
        click.echo(f"{name} {done}: {out} (fingerprint {result.fingerprint})")


def _verify(sorted_uri: str, workers: int) -> None:
    from components.sort.verify import verify

    for split, found in verify(sorted_uri, workers).items():
        records = sum(found.totals.values())
        click.echo(
            f"{split} matches its manifest: {counted(records, 'record')} in {counted(found.objects, 'part')}, "
            f"{found.bytes / 1e6:,.1f} MB"
        )


def _print_table(splits: dict[str, SortResult]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("group", show_footer=True)
    table.columns[0].footer = "all"
    for name, result in splits.items():
        table.add_column(name, footer=f"{result.records:,}", justify="right")
        table.add_column("MB", footer=f"{result.bytes / 1e6:,.1f}", justify="right", style="dim")
    results = list(splits.values())

    def add(title: str, style: str, counts: list[tuple[int, int | None]]) -> None:
        cells = [("" if size is None else f"{size / 1e6:,.1f}", f"{records:,}") for records, size in counts]
        table.add_row(title, *(cell for size, records in cells for cell in (records, size)), style=style)

    for group in dict.fromkeys(group for result in results for group in result.totals):
        add(group, "", [(result.totals.get(group, 0), result.bytes_by_group.get(group, 0)) for result in results])
    if any(result.quarantined for result in results):
        add("quarantine", "red", [(result.quarantined, result.quarantined_bytes) for result in results])
    if any(result.left_out for result in results):
        add("(left out)", "dim", [(result.left_out, None) for result in results])
    Console().print(table)
