"""Brings Kubeflow's recurring run of one name to what it shall be. They cannot be edited, so they are replaced."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kfp_server_api import (
    RecurringRunMode,
    V2beta1CronSchedule,
    V2beta1PipelineVersionReference,
    V2beta1RecurringRun,
    V2beta1RuntimeConfig,
    V2beta1Trigger,
)

from components.core.errors import InputError
from components.core.fingerprint import fingerprint
from pipelines.kubeflow.client import Kubeflow, answered, every, named


@dataclass(frozen=True)
class Schedule:
    """What a recurring run shall be.

    Attributes:
        name: Its name in the UI.
        cron: Six fields, see `pipelines.schedule.cron`.
        arguments: The pipeline's parameters.
        pipeline_id: The pipeline.
        version_id: The version of it that runs.
        experiment_id: Where the runs appear.
        service_account: Of the runs' pods; None for Kubeflow's own.
    """

    name: str
    cron: str
    arguments: dict[str, Any]
    pipeline_id: str
    version_id: str
    experiment_id: str
    service_account: str | None

    def digest(self) -> str:
        """Returns what changes when, and only when, the schedule does."""
        return fingerprint(asdict(self))


def reconcile(kubeflow: Kubeflow, wanted: Schedule, suspended: bool | None = None) -> str:
    """Makes the recurring run, replaces it, or finds it as it shall be.

    The new one is made before the old one goes, so that a failure in between leaves two rather than none; the next call
    keeps the right one. One that was suspended stays so.

    Args:
        kubeflow: Where.
        wanted: What it shall be.
        suspended: Whether it shall rest; None to leave that as it is.

    Returns:
        What was done, in one line.

    Raises:
        InputError: A recurring run of this name belongs to another pipeline.
    """
    found = of_name(kubeflow, wanted.name, wanted.pipeline_id)
    matching = [each for each in found if wanted.digest() in (each.description or "")]
    rested = bool(found) and all(each.mode == RecurringRunMode.DISABLE for each in found)
    rests = rested if suspended is None else suspended
    if matching:
        kept = matching[0]
        done = _set_resting(kubeflow, kept, rests)
    else:
        kept = _create(kubeflow, wanted, rests)
        done = "replaced" if found else "created"
    _delete(kubeflow, [each for each in found if each.recurring_run_id != kept.recurring_run_id])
    doubles = len(found) - 1
    removed = f", {doubles} more of that name removed" if doubles > 0 else ""
    state = "suspended" if rests else f"cron '{wanted.cron}'"
    return f"{wanted.name} {done}{removed}: {state}, {kubeflow.url('recurringrun', 'details', kept.recurring_run_id)}"


def remove(kubeflow: Kubeflow, name: str, pipeline_id: str | None) -> str:
    """Removes the recurring runs of a name, and says so in one line."""
    found = of_name(kubeflow, name, pipeline_id)
    _delete(kubeflow, found)
    return f"{name} removed" if found else f"{name} is not there: nothing to remove"


def of_name(kubeflow: Kubeflow, name: str, pipeline_id: str | None) -> list[V2beta1RecurringRun]:
    """Returns the recurring runs of a name, the newest first.

    Raises:
        InputError: One of them belongs to another pipeline.
    """
    call = kubeflow.api.recurring_runs.recurring_run_service_list_recurring_runs
    with answered("look for the schedule"):
        found = list(every(call, "recurring_runs", namespace=kubeflow.namespace, filter=named(name)))
    for each in found:
        reference = each.pipeline_version_reference
        if reference is None or reference.pipeline_id != pipeline_id:
            raise InputError(
                f"the schedule '{name}' belongs to another pipeline: {each.recurring_run_id}; "
                "try another --name, or remove it in the UI"
            )
    return sorted(found, key=lambda each: str(each.created_at), reverse=True)


def _create(kubeflow: Kubeflow, wanted: Schedule, rests: bool) -> V2beta1RecurringRun:
    new = V2beta1RecurringRun(
        display_name=wanted.name,
        description=f"Made by luthier schedule; {wanted.digest()}",
        experiment_id=wanted.experiment_id,
        pipeline_version_reference=V2beta1PipelineVersionReference(
            pipeline_id=wanted.pipeline_id, pipeline_version_id=wanted.version_id
        ),
        runtime_config=V2beta1RuntimeConfig(parameters=wanted.arguments),
        trigger=V2beta1Trigger(cron_schedule=V2beta1CronSchedule(cron=wanted.cron)),
        mode=RecurringRunMode.DISABLE if rests else RecurringRunMode.ENABLE,
        max_concurrency="1",
        no_catchup=True,  # a run works on what is there now: what was missed is not made up for
        service_account=wanted.service_account,
    )
    with answered(f"create the schedule '{wanted.name}'"):
        return kubeflow.api.recurring_runs.recurring_run_service_create_recurring_run(recurring_run=new)


def _set_resting(kubeflow: Kubeflow, existing: V2beta1RecurringRun, rests: bool) -> str:
    if rests == (existing.mode == RecurringRunMode.DISABLE):
        return "unchanged"
    runs = kubeflow.api.recurring_runs
    with answered(f"change the schedule '{existing.display_name}'"):
        if rests:
            runs.recurring_run_service_disable_recurring_run(recurring_run_id=existing.recurring_run_id)
        else:
            runs.recurring_run_service_enable_recurring_run(recurring_run_id=existing.recurring_run_id)
    return "suspended" if rests else "resumed"


def _delete(kubeflow: Kubeflow, surplus: list[V2beta1RecurringRun]) -> None:
    for each in surplus:
        with answered(f"remove the schedule {each.recurring_run_id}"):
            kubeflow.api.recurring_runs.recurring_run_service_delete_recurring_run(
                recurring_run_id=each.recurring_run_id
            )
