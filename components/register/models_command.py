"""`luthier models`."""

from __future__ import annotations

from dataclasses import asdict

import click


@click.command("models")
@click.option(
    "--tracking-uri", default="", metavar="URI", help="MLflow server or database. [default: MLFLOW_TRACKING_URI]"
)
@click.option("--family", help="List this family only.")
@click.option("--champions", "champions_only", is_flag=True, help="List champions only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(tracking_uri: str, family: str | None, champions_only: bool, as_json: bool) -> None:
    """List the registered models with their scores and promotion status."""
    from components.core.table import as_json as json_of
    from components.register.listing import listed_versions, listing

    if as_json:
        click.echo(json_of([asdict(each) for each in listed_versions(tracking_uri, family, champions_only)]))
    else:
        click.echo(listing(tracking_uri, family, champions_only))
