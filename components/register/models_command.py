"""`luthier models`."""

from __future__ import annotations

import click


@click.command("models")
@click.option("--tracking-uri", default="", metavar="URI", help="MLflow. [default: what MLFLOW_TRACKING_URI says]")
@click.option("--family", help="Of this family alone.")
@click.option("--champions", "champions_only", is_flag=True, help="The champions alone.")
def command(tracking_uri: str, family: str | None, champions_only: bool) -> None:
    """Lists what is registered: families, versions, scores on held-out notes, and what became of each."""
    from components.register.listing import listing

    click.echo(listing(tracking_uri, family, champions_only))
