"""`luthier sort`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from components.sort.step import SortResult


@click.command("sort")
@click.option("--source", required=True, metavar="URI", help="Folder of nsynth-<split>.tfrecord-* shards.")
@click.option("--out", required=True, metavar="URI", help="Root of the sorted set.")
@click.option("--split", default="train", show_default=True, help="train, valid, test, or all of them: all.")
@click.option("--by", default="family", show_default=True, help="family, instrument or source.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Ranges of shards at a time.")
@click.option(
    "--on-bad-record",
    default="stop",
    show_default=True,
    help="stop, or quarantine: set a damaged record, or one without family, aside and count it.",
)
@click.option("--overwrite", is_flag=True, help="Replace a sorted set of another source.")
def command(source: str, out: str, split: str, by: str, workers: int, on_bad_record: str, overwrite: bool) -> None:
    """Sorts records into shards of one instrument family, byte for byte.

    Sorting the same again does nothing. A reader finds <out>/<split>/manifest.json only once a sort is done.
    """
    from components.sort import step
    from components.telemetry import metrics

    metrics.serve_if_asked()
    if split == "all":
        splits = step.sort_all(source, out, (), by, on_bad_record, workers, overwrite).splits
    else:
        splits = {split: step.sort(source, out, split, by, on_bad_record, workers, overwrite)}
    _print_table(splits)
    for name, result in splits.items():
        done = "was sorted before, nothing to do" if result.reused else f"sorted, {result.bytes / 1e6:,.1f} MB"
        click.echo(f"{name} {done}: {out} (fingerprint {result.fingerprint})")


def _print_table(splits: dict[str, SortResult]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("group", show_footer=True)
    table.columns[0].footer = "all"
    for name, result in splits.items():
        table.add_column(name, footer=f"{result.records:,}", justify="right")
    for group in dict.fromkeys(group for result in splits.values() for group in result.totals):
        table.add_row(group, *(f"{result.totals.get(group, 0):,}" for result in splits.values()))
    if any(result.quarantined for result in splits.values()):
        table.add_row("quarantine", *(f"{result.quarantined:,}" for result in splits.values()), style="red")
    Console().print(table)
