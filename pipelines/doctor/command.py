"""`luthier doctor`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from components.core import environment
from components.core.errors import EXIT_INPUT_ERROR
from components.core.text import counted
from pipelines.kubeflow.endpoint import Endpoint, optional_endpoint_options

if TYPE_CHECKING:
    from components.preflight.finding import Finding
    from pipelines.doctor.wanted import Wanted

_KUBEFLOW = "kubeflow"


@click.command(name="doctor")
@optional_endpoint_options
@click.option("-p", "flags", multiple=True, metavar="NAME=VALUE", help="A parameter of the pipeline; repeatable.")
@click.option("--params", type=click.Path(dir_okay=False, path_type=Path), help="Parameters in a YAML file.")
@click.option("--context", help="Context of the kubeconfig.")
@click.option(
    "--jobs-namespace",
    metavar="NAME",
    help="Namespace of the training Jobs.  [default: LUTHIER_NAMESPACE, else the context's]",
)
@click.option(
    "--service-account",
    envvar=environment.KFP_SERVICE_ACCOUNT,
    show_envvar=True,
    default="",
    help="Service account of the steps. [default: Kubeflow's own]",
)
@click.option("--read-only", is_flag=True, help="Create nothing: no object in the workspace, no pods for images.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    endpoint: Callable[[], Endpoint],
    flags: tuple[str, ...],
    params: Path | None,
    context: str | None,
    jobs_namespace: str | None,
    service_account: str,
    read_only: bool,
    as_json: bool,
) -> None:
    """Check cluster, Kubeflow, storage and registry before a run.

    Give it the parameters of the run (-p, --params), as to `luthier submit`. Each line says what was found and what to
    do. To see whether images can be pulled, it starts short-lived pods; it also writes and deletes an object in the
    workspace. Exit codes: 0 a run can be submitted, 2 something is wrong.
    """
    from components.preflight.finding import Status
    from pipelines.doctor.checks import Options, examine

    given = click.get_current_context().params
    options = Options(
        endpoint=endpoint if given.get("host") or environment.in_cluster() else None,
        context=context,
        namespace=jobs_namespace,
        steps_namespace=given.get("namespace") or _KUBEFLOW,
        account=service_account,
        creates_nothing=read_only,
    )
    findings = examine(_wanted(flags, params), options)
    if as_json:
        click.echo(json.dumps([each.to_json() for each in findings], indent=1))
    else:
        _print(findings)
    failed = sum(finding.failed for finding in findings)
    if failed:
        silent = all(finding.status is Status.SILENT for finding in findings if finding.failed)
        hint = "; a server did not answer, so it may be worth to try again" if silent else ""
        click.echo(f"luthier: {failed} of {counted(len(findings), 'check')} failed{hint}", err=True)
        sys.exit(EXIT_INPUT_ERROR)


def _wanted(flags: tuple[str, ...], params: Path | None) -> Wanted:
    from pipelines import package
    from pipelines.doctor.wanted import Wanted
    from pipelines.kubeflow import parameters

    with TemporaryDirectory(prefix="luthier-") as scratch:
        arguments = parameters.parse(package.compile_to(Path(scratch)), flags, params)
    return Wanted.of({**package.default_arguments(), **arguments})


def _print(findings: list[Finding]) -> None:
    """Prints a line for each finding, and below it what to do."""
    status_width = max(len(finding.status) for finding in findings)
    check_width = max(len(finding.check) for finding in findings)
    for finding in findings:
        click.echo(f"{finding.status:{status_width}}  {finding.check:{check_width}}  {finding.text}")
        if finding.advice:
            click.echo(f"{'':{status_width + check_width + 2}}  -> {finding.advice}")
