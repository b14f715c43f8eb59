"""`luthier submit`."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from components.core import environment
from pipelines.kubeflow.endpoint import Endpoint, endpoint_options

if TYPE_CHECKING:
    from kfp_server_api import V2beta1PipelineVersionReference

    from pipelines.kubeflow.client import Kubeflow


@click.command(name="submit")
@endpoint_options
@click.option("--experiment", default="luthier", show_default=True, help="Kubeflow's experiment for the run.")
@click.option("--name", default="", help="Name of the run. [default: the pipeline's and the time]")
@click.option("-p", "flags", multiple=True, metavar="NAME=VALUE", help="A parameter of the pipeline; repeatable.")
@click.option("--params", type=click.Path(dir_okay=False, path_type=Path), help="Parameters in a YAML file.")
@click.option(
    "--params-from-environment",
    "from_environment",
    is_flag=True,
    help="Take parameters that are not given from variables such as LUTHIER_PRESET and LUTHIER_FAMILIES.",
)
@click.option(
    "--service-account", envvar=environment.KFP_SERVICE_ACCOUNT, show_envvar=True, help="Service account of the pods."
)
@click.option(
    "--if-changed",
    is_flag=True,
    help="Train what is not registered yet; submit nothing if everything is. The registry is that "
    "of MLFLOW_TRACKING_URI on this machine.  [default: the parameter tracking_uri]",
)
@click.option("--dry-run", is_flag=True, help="Check everything, print what would be submitted, and send nothing.")
@click.option("--no-follow", is_flag=True, help="Print the run's URL; do not wait.")
@click.option("--follow", "followed", metavar="RUN_ID", help="Submit nothing; follow this run.")
@click.option("--stop", "stopped", metavar="RUN_ID", help="Submit nothing; stop this run and its Jobs.")
def command(
    endpoint: Endpoint,
    experiment: str,
    name: str,
    flags: tuple[str, ...],
    params: Path | None,
    from_environment: bool,
    service_account: str | None,
    if_changed: bool,
    dry_run: bool,
    no_follow: bool,
    followed: str | None,
    stopped: str | None,
) -> None:
    """Run the pipeline in Kubeflow and follow it to its end.

    Exit codes: 0 the run succeeded, 1 it failed, 2 it was not accepted. Ctrl-C does not stop the run.
    """
    if stopped:
        from pipelines.submit.stop import stop

        stop(endpoint, stopped, dry_run)
        return
    from pipelines import if_changed as if_changed_module
    from pipelines import package
    from pipelines.kubeflow import checks, client, parameters, versions
    from pipelines.retries import SCHEDULED_PAUSES_S, with_retries
    from pipelines.submit.follow import follow

    if followed:
        follow(client.connect(endpoint), followed)
        return
    with TemporaryDirectory(prefix="luthier-") as scratch:
        compiled = package.compile_to(Path(scratch))
        arguments = parameters.parse(compiled, flags, params, from_environment)
        checks.check_run(arguments, package.default_arguments())
        if if_changed:
            registry = environment.get(environment.MLFLOW_TRACKING_URI)
            narrowed = with_retries(lambda: if_changed_module.narrow(arguments, registry), SCHEDULED_PAUSES_S)
            if narrowed is None:
                return
            arguments = narrowed
        kubeflow = with_retries(lambda: client.connect(endpoint), SCHEDULED_PAUSES_S)
        if dry_run:
            _show(kubeflow, compiled, experiment, arguments)
            return
        reference = versions.ensure_version(kubeflow, compiled)
    experiment_id = versions.ensure_experiment(kubeflow, experiment)
    run_id = _create_run(kubeflow, name, experiment_id, reference, arguments, service_account)
    click.echo(f"submitted  {kubeflow.page('runs', 'details', run_id)}")
    if not no_follow:
        follow(kubeflow, run_id)


def _show(kubeflow: Kubeflow, compiled: Path, experiment: str, arguments: dict[str, Any]) -> None:
    """Prints what would be submitted."""
    from pipelines.kubeflow import versions
    from pipelines.kubeflow.runs import parameter_text
    from pipelines.package import version_of

    is_uploaded = versions.find_version(kubeflow, compiled) is not None
    exists = versions.find_experiment(kubeflow, experiment) is not None
    click.echo("dry run: nothing was sent")
    click.echo(f"version     {version_of(compiled)}, {'uploaded already' if is_uploaded else 'would be uploaded'}")
    click.echo(f"experiment  {experiment}{'' if exists else ', would be created'}")
    click.echo(f"parameters  {parameter_text(arguments)}")


def _create_run(
    kubeflow: Kubeflow,
    name: str,
    experiment_id: str,
    reference: V2beta1PipelineVersionReference,
    arguments: dict[str, Any],
    service_account: str | None,
) -> str:
    from kfp_server_api import V2beta1Run, V2beta1RuntimeConfig

    from pipelines.kubeflow.client import api_errors
    from pipelines.package import PIPELINE_NAME

    run = V2beta1Run(
        display_name=name or f"{PIPELINE_NAME} {time.strftime('%Y-%m-%d %H:%M:%S')}",
        experiment_id=experiment_id,
        pipeline_version_reference=reference,
        runtime_config=V2beta1RuntimeConfig(parameters=arguments),
        service_account=service_account,
    )
    with api_errors("submit the run"):
        return str(kubeflow.api.runs.run_service_create_run(run=run).run_id)
