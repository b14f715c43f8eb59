"""`luthier jobs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from components.core.table import as_json as json_of
from components.core.table import duration, table

if TYPE_CHECKING:
    from components.launch.jobs import JobStatus


@click.command("jobs")
@click.option("--run", "run_id", metavar="ID", help="Only the Jobs of this run.")
@click.option("--context", help="Context of the kubeconfig.")
@click.option(
    "-n", "--namespace", help="Namespace of the Jobs.  [default: LUTHIER_NAMESPACE, else the pod's or the context's]"
)
@click.option(
    "--suspend-unattended", is_flag=True, help="Suspend the unattended Jobs; delete them where Kueue manages them."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    run_id: str | None, context: str | None, namespace: str | None, suspend_unattended: bool, as_json: bool
) -> None:
    """List the Jobs of trainings with their state, and find those that no launcher follows.

    A Job is unattended if it is active and its launcher is gone for more than 5 minutes. Repeat its `luthier launch`
    to follow it again. A Job that needs no launcher (`--detach`, `--on-terminate leave`) shows "-" as followed.
    """
    from components.kubernetes.connection import connect
    from components.launch import labels
    from components.launch.jobs import list_jobs, stop_unattended
    from components.launch.step import errors_explained

    if run_id is not None:
        labels.check_value(run_id, "--run")
    api = connect(context, namespace)
    with errors_explained(api):
        statuses = list_jobs(api, run_id)
        if as_json:
            click.echo(json_of([status.to_json() for status in statuses]))
        else:
            _print(statuses, api.namespace)
        if suspend_unattended:
            for status in stop_unattended(api, statuses):
                click.echo(f"stopped: {status.name}", err=as_json)


def _print(statuses: list[JobStatus], namespace: str) -> None:
    if not statuses:
        click.echo(f"no trainings in namespace '{namespace}'")
        return
    rows = [("NAME", "STATE", "AGE", "FOLLOWED")]
    for status in statuses:
        rows.append((status.name, str(status.phase), duration(status.age_s), _followed(status)))
    click.echo(table(rows))


def _followed(status: JobStatus) -> str:
    if status.followed_s is None:
        return "-"
    unattended = " (unattended)" if status.is_unattended else ""
    return f"{duration(status.followed_s)} ago{unattended}"
