"""The Jobs of a namespace's trainings: their states, and which of them are unattended."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from components.kubernetes.client import Api, Object
from components.kubernetes.errors import NotFound
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
    now = datetime.now(UTC)
    found = [_status(job, pods[job["metadata"]["uid"]], now) for job in jobs]
    return sorted(found, key=lambda status: status.name)


def stop_unattended(api: Api, statuses: list[JobStatus]) -> list[JobStatus]:
    """Suspends the unattended Jobs, or deletes them where Kueue manages them. Returns those that it stopped.

    The next `luthier launch` of such a training resumes or creates its Job, which continues from its checkpoint.

    Raises:
        ApiError: The server refuses it.
        StepError: The server did not answer for too long.
    """
    stopped = []
    for status in statuses:
        if status.is_unattended:
            try:
                stop(api, status.job)
                stopped.append(status)
            except NotFound:
                continue  # it was deleted meanwhile
    return stopped


def _status(job: Object, pods: list[Object], now: datetime) -> JobStatus:
    age_s = (now - datetime.fromisoformat(job["metadata"]["creationTimestamp"])).total_seconds()
    phase = job_state.state_of(job, pods).phase
    return JobStatus(job, phase, age_s, followed_at.age_s(job, now), followed_at.is_unattended(job, now))
