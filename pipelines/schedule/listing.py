"""Lists the recurring runs of the pipeline in Kubeflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kfp_server_api import RecurringRunMode

from pipelines.kubeflow.client import Kubeflow, all_pages, api_errors
from pipelines.kubeflow.runs import without_secrets


@dataclass(frozen=True)
class ListedSchedule:
    """A recurring run in a list.

    Attributes:
        name: Its name in the UI.
        state: "active" or "suspended".
        cron: Six fields, the first of them seconds; "" where it runs by an interval.
        created_at: RFC 3339; "" if unknown.
        parameters: Those that it gives to its runs, without secrets.
        url: Its page.
    """

    name: str
    state: str
    cron: str
    created_at: str
    parameters: dict[str, Any]
    url: str


def list_schedules(kubeflow: Kubeflow, pipeline_id: str) -> list[ListedSchedule]:
    """Returns the recurring runs of a pipeline, sorted by name."""
    call = kubeflow.api.recurring_runs.recurring_run_service_list_recurring_runs
    with api_errors("list the schedules"):
        found = list(all_pages(call, "recurring_runs", namespace=kubeflow.namespace))
    ours = [
        each
        for each in found
        if each.pipeline_version_reference and each.pipeline_version_reference.pipeline_id == pipeline_id
    ]
    return sorted((_listed(kubeflow, each) for each in ours), key=lambda each: each.name)


def _listed(kubeflow: Kubeflow, schedule: Any) -> ListedSchedule:
    cron = schedule.trigger.cron_schedule if schedule.trigger else None
    given = (schedule.runtime_config.parameters if schedule.runtime_config else None) or {}
    return ListedSchedule(
        name=str(schedule.display_name or ""),
        state="suspended" if schedule.mode == RecurringRunMode.DISABLE else "active",
        cron=str(cron.cron or "") if cron else "",
        created_at=schedule.created_at.isoformat(timespec="seconds") if schedule.created_at else "",
        parameters={str(name): without_secrets(value) for name, value in given.items()},
        url=kubeflow.page("recurringrun", "details", str(schedule.recurring_run_id)),
    )
