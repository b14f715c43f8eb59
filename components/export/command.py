"""`luthier export`."""

from __future__ import annotations

import click

from components.export.catalog import format_help


@click.command()
@click.option("--model", "model_uri", required=True, metavar="URI", help="A model directory, or models:/NAME@ALIAS.")
@click.option("--format", "format_name", required=True, metavar="NAME", help=f"{format_help()}.")
@click.option("--out", "out_uri", required=True, metavar="URI", help="The directory to write.")
@click.option(
    "--tracking-uri", default="", metavar="URI", help="MLflow server or database. [default: MLFLOW_TRACKING_URI]"
)
def command(model_uri: str, format_name: str, out_uri: str, tracking_uri: str) -> None:
    """Export a model for other software.

    A README beside the model says how to use it. The model may be from anywhere: nothing in it is run. Files in --out
    that no export wrote are neither replaced nor removed.
    """
    from components.export.step import export

    result = export(model_uri, format_name, out_uri, tracking_uri)
    click.echo(
        f"{format_name}: {result.uri}, {result.total_bytes:,} bytes, equal to the model within {result.error:.1g}"
    )
