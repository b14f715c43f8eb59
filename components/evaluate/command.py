"""`luthier evaluate`."""

from __future__ import annotations

import math

import click

from components.core.text import counted


@click.command()
@click.option(
    "--model", "model_uri", required=True, metavar="URI", help="A model directory, or the training directory it is in."
)
@click.option("--data", "data_uri", required=True, metavar="URI", help="Root of a sorted set.")
@click.option(
    "--out", "out_uri", required=True, metavar="URI", help="Directory for the scores, listening samples and the report."
)
@click.option("--max-notes", default=0, help="Maximum number of held-out notes. [default: all of the split]")
@click.option(
    "--others", "others_uri", metavar="URI", help="A sorted set with families that --data lacks, for timbre transfer."
)
def command(model_uri: str, data_uri: str, out_uri: str, max_notes: int, others_uri: str | None) -> None:
    """Evaluate a model on held-out notes: scores and listening samples.

    The model may be from anywhere: nothing in it is run, unlike by mlflow.pyfunc.load_model.
    """
    from components.evaluate.step import evaluate

    result = evaluate(model_uri, data_uri, out_uri, max_notes, others_uri)
    found = result.evaluation
    count = counted(len(found.notes), "held-out note")
    click.echo(f"{found.family} {found.synth}, {count} ({found.split})")
    click.echo(f"  {'':24}{'mean':>10}{'interval':>20}{'median':>10}{'p95':>10}")
    known = {name: summary for name, summary in found.summary.items() if math.isfinite(summary.mean)}
    for name, summary in known.items():
        interval = f"{summary.low:.3f} .. {summary.high:.3f}"
        click.echo(f"  {name:24}{summary.mean:10.3f}{interval:>20}{summary.median:10.3f}{summary.p95:10.3f}")
    for by, groups in found.groups.items():
        losses = ", ".join(
            f"{name} {group.means['spectral_loss']:.2f} ({group.notes})" for name, group in groups.items()
        )
        click.echo(f"  spectral loss by {by}: {losses}")
    click.echo(f"{result.real_time_factor:.1f} times faster than real time")
    click.echo(f"report: {result.report_uri}")
