"""`luthier models`."""

from __future__ import annotations

import click


@click.command("models")
@click.option(
    "--tracking-uri", default="", metavar="URI", help="MLflow server or database. [default: MLFLOW_TRACKING_URI]"
)
@click.option("--family", help="List this family only.")
@click.option("--champions", "champions_only", is_flag=True, help="List champions only.")
def command(tracking_uri: str, family: str | None, champions_only: bool) -> None:
    """List the registered models with their scores and promotion status."""
    from components.register.listing import listing

    click.echo(listing(tracking_uri, family, champions_only))
