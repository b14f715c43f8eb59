"""`luthier jobs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

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
def command(run_id: str | None, context: str | None, namespace: str | None, suspend_unattended: bool) -> None:
    """List the Jobs of trainings with their state, and find those that no launcher follows.

    A Job is unattended if it is active and its launcher is gone for more than 10 minutes. Repeat its `luthier launch`
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
        _print(statuses, api.namespace)
        if suspend_unattended:
            for status in stop_unattended(api, statuses):
                click.echo(f"stopped: {status.name}")


def _print(statuses: list[JobStatus], namespace: str) -> None:
    if not statuses:
        click.echo(f"no trainings in namespace '{namespace}'")
        return
    rows = [("NAME", "STATE", "AGE", "FOLLOWED")]
    for status in statuses:
        rows.append((status.name, str(status.phase), _duration(status.age_s), _followed(status)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _followed(status: JobStatus) -> str:
    if status.followed_s is None:
        return "-"
    unattended = " (unattended)" if status.is_unattended else ""
    return f"{_duration(status.followed_s)} ago{unattended}"


def _duration(seconds: float) -> str:
    """Returns a duration like kubectl: "45s", "12m", "5h", "3d"."""
    for unit, length_s in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f}{unit}"
    return f"{max(seconds, 0.0):.0f}s"
