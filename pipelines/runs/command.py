"""`luthier runs`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import click

from pipelines.kubeflow.endpoint import Endpoint, optional_endpoint_options


@click.command(name="runs")
@optional_endpoint_options
@click.option("--workspace", metavar="URI", help="List the runs of this workspace instead, by their trainings.")
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="How many runs to list, the newest first."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(endpoint: Callable[[], Endpoint], workspace: str | None, limit: int, as_json: bool) -> None:
    """List the runs of the pipeline in Kubeflow, or those of a workspace.

    For each: its state, when it started, how long it took, and its parameters.
    """
    from components.core.table import as_json as json_of
    from components.core.table import table

    if workspace:
        from pipelines.runs.workspace import workspace_runs

        local = workspace_runs(workspace)[:limit]
        lines = [(each.run, each.started_at[:19], each.preset, each.text()) for each in local]
        header = ("RUN", "STARTED", "PRESET", "TRAININGS")
        click.echo(json_of([asdict(each) for each in local]) if as_json else table([header, *lines]))
        return
    from components.core.table import duration
    from pipelines.kubeflow import client
    from pipelines.kubeflow.runs import list_runs, parameter_text

    found = list_runs(client.connect(endpoint()), limit)
    if as_json:
        click.echo(json_of([asdict(each) for each in found]))
        return
    if not found:
        click.echo("no runs")
        return
    rows = []
    for run in found:
        took = "-" if run.took_s is None else duration(run.took_s)
        rows.append((run.run_id, run.state, run.started_at[:19] or "-", took, parameter_text(run.parameters)))
    click.echo(table([("RUN", "STATE", "STARTED", "TOOK", "PARAMETERS"), *rows]))
