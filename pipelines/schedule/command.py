"""`luthier schedule`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from components.core import environment
from components.core.errors import InputError
from pipelines.kubeflow.endpoint import Endpoint, endpoint_options

if TYPE_CHECKING:
    from pipelines.kubeflow.client import Kubeflow


@click.command(name="schedule")
@endpoint_options
@click.option("--cron", metavar="'M H D M W'", help="Schedule, as in a crontab; six fields start with seconds.")
@click.option("--name", default="luthier-retrain", show_default=True, help="Name of the recurring run in the UI.")
@click.option("--experiment", default="luthier", show_default=True, help="Kubeflow's experiment for the runs.")
@click.option("-p", "flags", multiple=True, metavar="NAME=VALUE", help="A parameter of the pipeline; repeatable.")
@click.option("--params", type=click.Path(dir_okay=False, path_type=Path), help="Parameters in a YAML file.")
@click.option(
    "--service-account", envvar=environment.KFP_SERVICE_ACCOUNT, show_envvar=True, help="Service account of the pods."
)
@click.option("--suspend/--resume", "suspended", default=None, help="Suspend or resume it. [default: no change]")
@click.option("--remove", is_flag=True, help="Remove the recurring run.")
@click.option("--list", "lists", is_flag=True, help="List the recurring runs of the pipeline.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print JSON.")
@click.option("--dry-run", is_flag=True, help="Print what would change; change nothing.")
def command(
    endpoint: Endpoint,
    cron: str | None,
    name: str,
    experiment: str,
    flags: tuple[str, ...],
    params: Path | None,
    service_account: str | None,
    suspended: bool | None,
    remove: bool,
    lists: bool,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Create, update or replace the recurring run in Kubeflow.

    If it exists and has these settings, nothing changes.
    """
    if [bool(cron), remove, lists].count(True) != 1:
        raise InputError("cannot schedule: expected one of --cron, --remove and --list; try --cron '0 3 * * *'")
    from pipelines.schedule.cron import six_fields

    six_field_cron = six_fields(cron) if cron else ""
    from pipelines import package
    from pipelines.kubeflow import checks, client, parameters, versions
    from pipelines.schedule import reconcile

    if remove or lists:
        kubeflow = client.connect(endpoint)
        pipeline_id = versions.find_pipeline(kubeflow)
        if remove:
            click.echo(reconcile.remove(kubeflow, name, pipeline_id, dry_run))
        else:
            _list(kubeflow, pipeline_id, as_json)
        return
    with TemporaryDirectory(prefix="luthier-") as scratch:
        compiled = package.compile_to(Path(scratch))
        arguments = parameters.parse(compiled, flags, params)
        checks.check_run(arguments, package.default_arguments())
        kubeflow = client.connect(endpoint)
        if dry_run:
            version = versions.find_version(kubeflow, compiled)
            pipeline_id = version.pipeline_id if version else versions.find_pipeline(kubeflow)
            experiment_id = versions.find_experiment(kubeflow, experiment)
        else:
            version = versions.ensure_version(kubeflow, compiled)
            pipeline_id, experiment_id = version.pipeline_id, versions.ensure_experiment(kubeflow, experiment)
    wanted = reconcile.Schedule(
        name=name,
        cron=six_field_cron,
        arguments=arguments,
        pipeline_id=pipeline_id or "",
        version_id=version.pipeline_version_id if version else "",
        experiment_id=experiment_id or "",
        service_account=service_account,
    )
    act = reconcile.foresee if dry_run else reconcile.reconcile
    click.echo(act(kubeflow, wanted, suspended))


def _list(kubeflow: Kubeflow, pipeline_id: str | None, as_json: bool) -> None:
    """Prints the recurring runs of the pipeline."""
    from components.core.table import as_json as json_of
    from components.core.table import table
    from pipelines.kubeflow.runs import parameter_text
    from pipelines.schedule.listing import list_schedules

    found = list_schedules(kubeflow, pipeline_id) if pipeline_id else []
    if as_json:
        click.echo(json_of([asdict(each) for each in found]))
    elif not found:
        click.echo("no recurring runs")
    else:
        rows = [(each.name, each.state, each.cron, parameter_text(each.parameters)) for each in found]
        click.echo(table([("NAME", "STATE", "CRON", "PARAMETERS"), *rows]))
