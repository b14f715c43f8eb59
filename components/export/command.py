"""`luthier export`."""

from __future__ import annotations

import click

from components.core.errors import InputError
from components.export.catalog import PAGE_FORMAT, check_format, format_help


@click.command()
@click.option(
    "--model",
    "model_uris",
    required=True,
    multiple=True,
    metavar="URI",
    help="A model or training directory, or models:/NAME@ALIAS. The format web takes several: --model A --model B.",
)
@click.option("--format", "format_name", required=True, metavar="NAME", help=f"{format_help()}.")
@click.option("--out", "out_uri", required=True, metavar="URI", help="The directory to write.")
@click.option(
    "--tracking-uri", default="", metavar="URI", help="MLflow server or database. [default: MLFLOW_TRACKING_URI]"
)
def command(model_uris: tuple[str, ...], format_name: str, out_uri: str, tracking_uri: str) -> None:
    """Export models for other software, or as a page to play.

    A README beside the model says how to use it. The model may be from anywhere: nothing in it is run. Files in --out
    that no export wrote are neither replaced nor removed.
    """
    check_format(format_name)
    if format_name != PAGE_FORMAT and len(model_uris) > 1:
        raise InputError(f"--format {format_name} takes one --model: got {len(model_uris)}; export them one by one")
    if format_name == PAGE_FORMAT:
        from components.export.web.step import export_page

        result = export_page(model_uris, out_uri, tracking_uri)
    else:
        from components.export.step import export

        result = export(model_uris[0], format_name, out_uri, tracking_uri)
    click.echo(
        f"{format_name}: {result.uri}, {result.total_bytes:,} bytes, equal to the model within {result.error:.1g}"
    )
