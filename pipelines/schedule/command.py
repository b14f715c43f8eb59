"""`luthier schedule`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from components.core import environment
from components.core.errors import InputError
from pipelines.kubeflow.endpoint import Endpoint, endpoint_options


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
) -> None:
    """Create, update or replace the recurring run in Kubeflow.

    Nothing changes if it already is as asked for.
    """
    if remove == bool(cron):
        raise InputError("cannot schedule: expected one of --cron and --remove; try --cron '0 3 * * *'")
    from pipelines.schedule.cron import six_fields

    six_field_cron = six_fields(cron) if cron else ""
    from pipelines import package
    from pipelines.kubeflow import checks, client, parameters, versions
    from pipelines.schedule import reconcile

    if remove:
        kubeflow = client.connect(endpoint)
        click.echo(reconcile.remove(kubeflow, name, versions.find_pipeline(kubeflow)))
        return
    with TemporaryDirectory(prefix="luthier-") as scratch:
        compiled = package.compile_to(Path(scratch))
        arguments = parameters.parse(compiled, flags, params)
        checks.check_run(arguments, package.default_arguments())
        kubeflow = client.connect(endpoint)
        version = versions.ensure_version(kubeflow, compiled)
    wanted = reconcile.Schedule(
        name=name,
        cron=six_field_cron,
        arguments=arguments,
        pipeline_id=version.pipeline_id,
        version_id=version.pipeline_version_id,
        experiment_id=versions.ensure_experiment(kubeflow, experiment),
        service_account=service_account,
    )
    click.echo(reconcile.reconcile(kubeflow, wanted, suspended))
