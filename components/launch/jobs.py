"""The Jobs of a namespace's trainings: their states, and which of them are unattended."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from components.kubernetes.client import Api, Object
from components.kubernetes.errors import Conflict, NotFound
from components.launch import followed_at, job_state, labels
from components.launch.job_state import Phase
from components.launch.terminate import stop


@dataclass(frozen=True)
class JobStatus:
    """One Job.

    Attributes:
        job: The Job.
        phase: What it is doing.
        age_s: Seconds since it was created.
        followed_s: Seconds since a launcher last followed it; None for a Job that needs no launcher.
        is_unattended: See followed_at.is_unattended.
    """

    job: Object
    phase: Phase
    age_s: float
    followed_s: float | None
    is_unattended: bool

    @property
    def name(self) -> str:
        """Its name."""
        name: str = self.job["metadata"]["name"]
        return name

    def to_json(self) -> dict[str, Any]:
        """Returns it as a JSON object; times in seconds, "followed_s" null for a Job that needs no launcher."""
        metadata = self.job["metadata"]
        values, notes = metadata.get("labels") or {}, metadata.get("annotations") or {}
        return {
            "name": self.name,
            "namespace": metadata.get("namespace", ""),
            "state": str(self.phase),
            "age_s": round(self.age_s),
            "followed_s": None if self.followed_s is None else round(self.followed_s),
            "unattended": self.is_unattended,
            "run": values.get(labels.RUN, ""),
            "family": values.get(labels.FAMILY, ""),
            "synth": values.get(labels.SYNTH, ""),
            "training_uri": notes.get(labels.TRAINING_URI, ""),
        }


def list_jobs(api: Api, run_id: str | None = None) -> list[JobStatus]:
    """Returns the Jobs of all trainings in the namespace, sorted by name.

    Args:
        api: The API.
        run_id: Only those of this run.

    Raises:
        ApiError: The server refuses to list Jobs or pods.
        StepError: The server did not answer for too long.
    """
    selector = {"labelSelector": f"{labels.APP_NAME}={labels.TRAINER}" + (f",{labels.RUN}={run_id}" if run_id else "")}
    jobs: list[Object] = api.get("jobs", query=selector)["items"]
    pods: defaultdict[str, list[Object]] = defaultdict(list)
    for pod in api.get("pods", query=selector)["items"]:
        pods[pod["metadata"]["labels"].get(labels.CONTROLLER_UID, "")].append(pod)
    now = api.now()
    found = [_status(job, pods[job["metadata"]["uid"]], now) for job in jobs]
    return sorted(found, key=lambda status: status.name)


def stop_unattended(api: Api, statuses: list[JobStatus]) -> list[JobStatus]:
    """Suspends the unattended Jobs, or deletes them where Kueue manages them. Returns those that it stopped.

    The next `luthier launch` of such a training resumes or creates its Job, which continues from its checkpoint.

    Raises:
        ApiError: The server refuses it.
        StepError: The server did not answer for too long.
    """
    return [status for status in statuses if status.is_unattended and _is_stopped(api, status)]


def stop_run(api: Api, statuses: list[JobStatus], kubeflow_run: str) -> list[JobStatus]:
    """Stops the Jobs that a run of Kubeflow Pipelines follows, as `stop_unattended` does, and returns them.

    Args:
        api: The API.
        statuses: What list_jobs returned.
        kubeflow_run: Id of the run.

    Raises:
        ApiError: The server refuses it.
        StepError: The server did not answer for too long.
    """
    return [status for status in active_of_run(statuses, kubeflow_run) if _is_stopped(api, status)]


def active_of_run(statuses: list[JobStatus], kubeflow_run: str) -> list[JobStatus]:
    """Returns the Jobs that a run of Kubeflow Pipelines follows and that run, or wait for a node or for Kueue."""
    return [
        status
        for status in statuses
        if followed_at.followed_by(status.job) == kubeflow_run
        and not job_state.is_finished(status.job)
        and not status.job["metadata"].get("deletionTimestamp")
        and (not status.job["spec"].get("suspend") or labels.queue_of(status.job))
    ]


def _is_stopped(api: Api, status: JobStatus) -> bool:
    """Stops a Job. Returns False where it was deleted meanwhile."""
    try:
        stop(api, status.job)
    except (NotFound, Conflict):
        return False
    return True


def _status(job: Object, pods: list[Object], now: datetime) -> JobStatus:
    age_s = (now - datetime.fromisoformat(job["metadata"]["creationTimestamp"])).total_seconds()
    phase = job_state.state_of(job, pods).phase
    return JobStatus(job, phase, age_s, followed_at.age_s(job, now), followed_at.is_unattended(job, now))
