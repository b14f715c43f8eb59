"""Reconciles Kubeflow's recurring run of one name with what is wanted. It cannot be edited, so it is replaced."""

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
from pipelines.kubeflow.client import Kubeflow, all_pages, api_errors, name_filter


@dataclass(frozen=True)
class Schedule:
    """The wanted state of a recurring run.

    Attributes:
        name: Its name in the UI.
        cron: Six fields, see `pipelines.schedule.cron`.
        arguments: The pipeline's parameters.
        pipeline_id: The pipeline.
        version_id: The version of it that runs.
        experiment_id: The experiment of its runs.
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
        """Returns the fingerprint of the schedule, which its description in Kubeflow contains."""
        return fingerprint(asdict(self))


def reconcile(kubeflow: Kubeflow, wanted: Schedule, suspended: bool | None = None) -> str:
    """Creates the recurring run, replaces it, or leaves it as it is.

    The new one is created before the old one is deleted: a failure in between leaves two rather than none, and the next
    call keeps the right one. A suspended one stays suspended.

    Args:
        kubeflow: The API.
        wanted: The wanted state.
        suspended: Whether to suspend it; None for no change.

    Returns:
        What was done, in one line.

    Raises:
        InputError: A recurring run of this name belongs to another pipeline.
    """
    found = of_name(kubeflow, wanted.name, wanted.pipeline_id)
    matching, is_suspended = _compared(found, wanted, suspended)
    if matching:
        kept = matching[0]
        done = _set_suspended(kubeflow, kept, is_suspended)
    else:
        kept = _create(kubeflow, wanted, is_suspended)
        done = "replaced" if found else "created"
    _delete(kubeflow, [each for each in found if each.recurring_run_id != kept.recurring_run_id])
    doubles = len(found) - 1
    removed = f", {doubles} more of that name removed" if doubles > 0 else ""
    state = "suspended" if is_suspended else f"cron '{wanted.cron}'"
    return f"{wanted.name} {done}{removed}: {state}, {kubeflow.page('recurringrun', 'details', kept.recurring_run_id)}"


def foresee(kubeflow: Kubeflow, wanted: Schedule, suspended: bool | None = None) -> str:
    """Returns what `reconcile` would do, in one line; changes nothing. The id of what does not exist is ""."""
    found = of_name(kubeflow, wanted.name, wanted.pipeline_id or None)
    matching, is_suspended = _compared(found, wanted, suspended)
    state = "suspended" if is_suspended else f"cron '{wanted.cron}'"
    if not matching:
        return f"{wanted.name} would be {'replaced' if found else 'created'}: {state}"
    if len(found) == 1 and is_suspended == (matching[0].mode == RecurringRunMode.DISABLE):
        return f"{wanted.name} would stay unchanged: {state}"
    return f"{wanted.name} would become: {state}, {len(found) - 1} more of that name removed"


def _compared(
    found: list[V2beta1RecurringRun], wanted: Schedule, suspended: bool | None
) -> tuple[list[V2beta1RecurringRun], bool]:
    """Returns those that are as wanted already, and whether the one that stays is to be suspended."""
    matching = [each for each in found if wanted.digest() in (each.description or "")]
    was_suspended = bool(found) and all(each.mode == RecurringRunMode.DISABLE for each in found)
    return matching, was_suspended if suspended is None else suspended


def remove(kubeflow: Kubeflow, name: str, pipeline_id: str | None, dry_run: bool = False) -> str:
    """Removes the recurring runs of a name. Returns what was done, or would be, in one line."""
    found = of_name(kubeflow, name, pipeline_id)
    if dry_run and found:
        return f"{name} would be removed"
    _delete(kubeflow, found)
    return f"{name} removed" if found else f"{name} does not exist: nothing to remove"


def of_name(kubeflow: Kubeflow, name: str, pipeline_id: str | None) -> list[V2beta1RecurringRun]:
    """Returns the recurring runs of a name, the newest first.

    Raises:
        InputError: One of them belongs to another pipeline.
    """
    call = kubeflow.api.recurring_runs.recurring_run_service_list_recurring_runs
    with api_errors("look for the schedule"):
        found = list(all_pages(call, "recurring_runs", namespace=kubeflow.namespace, filter=name_filter(name)))
    for each in found:
        reference = each.pipeline_version_reference
        if reference is None or reference.pipeline_id != pipeline_id:
            raise InputError(
                f"the schedule '{name}' belongs to another pipeline: {each.recurring_run_id}; "
                "try another --name, or remove it in the UI"
            )
    return sorted(found, key=lambda each: str(each.created_at), reverse=True)


def _create(kubeflow: Kubeflow, wanted: Schedule, suspended: bool) -> V2beta1RecurringRun:
    new = V2beta1RecurringRun(
        display_name=wanted.name,
        description=f"Created by luthier schedule; {wanted.digest()}",
        experiment_id=wanted.experiment_id,
        pipeline_version_reference=V2beta1PipelineVersionReference(
            pipeline_id=wanted.pipeline_id, pipeline_version_id=wanted.version_id
        ),
        runtime_config=V2beta1RuntimeConfig(parameters=wanted.arguments),
        trigger=V2beta1Trigger(cron_schedule=V2beta1CronSchedule(cron=wanted.cron)),
        mode=RecurringRunMode.DISABLE if suspended else RecurringRunMode.ENABLE,
        max_concurrency="1",
        no_catchup=True,  # a run uses the data of its own time, so missed runs are not repeated
        service_account=wanted.service_account,
    )
    with api_errors(f"create the schedule '{wanted.name}'"):
        return kubeflow.api.recurring_runs.recurring_run_service_create_recurring_run(recurring_run=new)


def _set_suspended(kubeflow: Kubeflow, existing: V2beta1RecurringRun, suspended: bool) -> str:
    if suspended == (existing.mode == RecurringRunMode.DISABLE):
        return "unchanged"
    runs = kubeflow.api.recurring_runs
    with api_errors(f"change the schedule '{existing.display_name}'"):
        if suspended:
            runs.recurring_run_service_disable_recurring_run(recurring_run_id=existing.recurring_run_id)
        else:
            runs.recurring_run_service_enable_recurring_run(recurring_run_id=existing.recurring_run_id)
    return "suspended" if suspended else "resumed"


def _delete(kubeflow: Kubeflow, surplus: list[V2beta1RecurringRun]) -> None:
    for each in surplus:
        with api_errors(f"remove the schedule {each.recurring_run_id}"):
            kubeflow.api.recurring_runs.recurring_run_service_delete_recurring_run(
                recurring_run_id=each.recurring_run_id
            )
