"""`luthier rollback`."""

from __future__ import annotations

import click


@click.command("rollback")
@click.option(
    "--tracking-uri", default="", metavar="URI", help="MLflow server or database. [default: MLFLOW_TRACKING_URI]"
)
@click.option("--family", required=True, help="The family whose champion is rolled back.")
@click.option(
    "--to", "to_version", type=int, metavar="VERSION", help="The new champion. [default: the champion before]"
)
@click.option("--dry-run", is_flag=True, help="Print which version would become champion; change nothing.")
def command(tracking_uri: str, family: str, to_version: int | None, dry_run: bool) -> None:
    """Make an earlier version of a model the champion again."""
    from components.register.rollback import roll_back

    was, champion = roll_back(family, tracking_uri, to_version, dry_run)
    becomes = "would become champion" if dry_run else "is champion now"
    click.echo(f"ddsp-{family}: version {champion.version} ({champion.synth}) {becomes}, instead of version {was}")
