"""Prints the end of a local run: the paths of the report, the models and the registry."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from components.artifacts.training_dir import report_uri
from components.core.errors import InputError
from components.core.redaction import redact
from components.registry.sqlite_uri import is_sqlite, sqlite_path, sqlite_uri
from pipelines.run.display import Display


def show(display: Display, tracking_uri: str) -> None:
    """Prints the report's path, each family's champion and how to open MLflow."""
    from components.registry.aliases import find_champion

    for line in display.facts.get("advice", []):
        click.echo(f"note      {line}")
    run_uri, families = display.facts["run_uri"], display.facts["families"]
    if display.facts["done"]:
        click.echo(f"reused    {', '.join(display.facts['done'])}")
    click.echo(f"\nreport    {report_uri(run_uri)}")
    for family in families:
        try:
            best = find_champion(tracking_uri, family)
        except InputError as error:  # no model has passed the gate
            click.echo(f"champion  none of {family}: {redact(str(error))}")
            continue
        what = f"{best.synth}, version {best.version}, held-out spectral loss {best.loss:.2f}"
        click.echo(f"champion  {best.uri}  {what}")
    click.echo(f"models    {run_uri}")
    click.echo(f"registry  {_how_to_open(tracking_uri)}\n")


def _how_to_open(tracking_uri: str) -> str:
    """Returns the command that shows a database in MLflow's user interface, or the address of a server."""
    if tracking_uri.startswith(("http://", "https://")):
        return redact(tracking_uri)
    mlflow = Path(sys.executable).with_name("mlflow")  # Luthier's own: there may be none on the PATH, or another
    program = os.path.relpath(mlflow) if mlflow.is_relative_to(Path.cwd()) else str(mlflow)
    uri = sqlite_uri(sqlite_path(tracking_uri)) if is_sqlite(tracking_uri) else tracking_uri
    return shlex.join([program, "ui", "--backend-store-uri", redact(uri)])
