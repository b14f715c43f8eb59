"""Stops a run in Kubeflow, and the Jobs of its trainings, which its own steps can miss.

Kubeflow kills a step within a second of the signal to end, so a step under load may not get as far as to suspend its
Job. Where this machine reaches the Jobs, they are suspended from here; elsewhere the CronJob luthier-unattended does
it some minutes later.
"""

from __future__ import annotations

import time

import click

from components.core.backoff import RetryPolicy
from components.core.errors import InputError, StepError
from components.kubernetes.client import Api
from components.kubernetes.connection import connect
from components.launch.jobs import active_of_run, list_jobs, stop_run
from components.launch.step import errors_explained
from pipelines.kubeflow import client
from pipelines.kubeflow.client import Kubeflow, api_errors
from pipelines.kubeflow.endpoint import Endpoint
from pipelines.kubeflow.runs import ENDED

_LIMIT_S = 30.0
_POLL_S = 2.0
_REQUEST_S = 10
_LOOKS = 3
_POLICY = RetryPolicy(limit_s=10.0)
_NET = "the CronJob luthier-unattended suspends within 10 minutes those that still run; check with `luthier jobs`"


def stop(endpoint: Endpoint, run_id: str, dry_run: bool = False) -> None:
    """Stops a run, unless it has ended, and then suspends its Jobs; prints what it did.

    Args:
        endpoint: Kubeflow Pipelines.
        run_id: The run.
        dry_run: Only print what would be stopped.

    Raises:
        InputError, StepError: Kubeflow does not stop the run.
    """
    kubeflow = client.connect(endpoint)
    state, page = _state(kubeflow, run_id), kubeflow.page("runs", "details", run_id)
    if dry_run:
        click.echo("dry run: nothing was sent")
    if state in ENDED:  # somebody stopped it in the UI, for instance: its Jobs may still run
        click.echo(f"ended      {page}")
    elif dry_run:
        click.echo(f"would stop     {page}")
    else:
        if state != "CANCELING":  # Kubeflow refuses to stop a run twice
            with api_errors(f"stop the run '{run_id}'"):
                kubeflow.api.runs.run_service_terminate_run(run_id=run_id, _request_timeout=_REQUEST_S)
        click.echo(f"stopping   {page}")
    try:
        api = connect(policy=_POLICY)
        with errors_explained(api):
            if dry_run:
                for status in active_of_run(list_jobs(api), run_id):
                    click.echo(f"would stop     Job {status.name}")
            else:
                _suspend_jobs(kubeflow, api, run_id)
    except (InputError, StepError) as error:
        click.echo(f"not sure that all Jobs of the run are stopped ({error}); {_NET}", err=True)


def _suspend_jobs(kubeflow: Kubeflow, api: Api, run_id: str) -> None:
    """Suspends the Jobs that the steps of a run left active, once the run has ended.

    Not before: a step that still follows a Job resumes it. It looks several times, since a step may end late.
    """
    deadline = time.monotonic() + _LIMIT_S
    while not (has_ended := _state(kubeflow, run_id) in ENDED) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    stopped: set[str] = set()
    for look in range(_LOOKS):
        if look:
            time.sleep(_POLL_S)
        for status in stop_run(api, list_jobs(api), run_id):
            if status.name not in stopped:
                stopped.add(status.name)
                click.echo(f"stopped    Job {status.name}")
    if not has_ended:
        click.echo(f"the run has not ended within {_LIMIT_S:.0f} s; {_NET}", err=True)
    elif not stopped:
        click.echo(f"its Jobs in namespace '{api.namespace}' are stopped: none is active")


def _state(kubeflow: Kubeflow, run_id: str) -> str:
    with api_errors(f"read the run '{run_id}'"):
        return str(kubeflow.api.runs.run_service_get_run(run_id=run_id, _request_timeout=_REQUEST_S).state)
