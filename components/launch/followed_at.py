"""The annotation of a Job that tells when a launcher last followed it, by which a Job without a launcher is found.

A launcher that is terminated stops its Job. One that is killed cannot, and its Job would hold a GPU for as long as the
training takes, with nobody to use the result. So a launcher renews the annotation `labels.FOLLOWED_AT` while it follows
the Job. `luthier jobs` and the alert LuthierTrainingUnattended show the Jobs in which it is too old. Beside it, the
annotation `labels.FOLLOWED_BY` has the launcher's run in Kubeflow Pipelines, if it belongs to one.

Only a Job that needs a launcher has the annotation: not one of `--detach` or `--on-terminate leave`.

All times are by the clock of the API server (Api.now): that of a laptop which has slept may be minutes behind.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from components.core.errors import InputError, StepError
from components.kubernetes.client import Api, Object
from components.kubernetes.errors import ApiError, Conflict, NotFound
from components.launch import job_state, labels
from components.telemetry import log

_LOG = log.get(__name__)

RENEW_S = 60.0
"""A launcher renews the annotation this often."""

# While the API server is away, a renewal is tried again and again: it has to be there before luthier-unattended looks.
_REQUEST_LIMIT_S, _AFTER_OUTAGE_S = 10.0, 5.0

_LAST_RENEWAL_S = 2.0
"""A launcher that ends waits so long for a renewal that is on its way."""

UNATTENDED_S = 300.0
"""A Job that no launcher has followed for so long is unattended. A launcher whose pod moves to another node is away for
a few minutes; where it is away longer, it resumes its Job."""


def set_in(api: Api, job: Object, kubeflow_run: str = "") -> None:
    """Sets the annotations of a Job that is not created yet.

    Args:
        api: The API.
        job: The Job.
        kubeflow_run: Id of the launcher's run in Kubeflow Pipelines; "" if it belongs to none.
    """
    job["metadata"]["annotations"][labels.FOLLOWED_AT] = _text(api.now())
    if kubeflow_run:
        job["metadata"]["annotations"][labels.FOLLOWED_BY] = kubeflow_run


def clear(api: Api, job: Object) -> None:
    """Removes the annotations of a Job that needs no launcher any more."""
    if labels.FOLLOWED_AT in (job["metadata"].get("annotations") or {}):
        with suppress(NotFound, Conflict):
            _patch(api, job, None, None)


@contextmanager
def renewed(api: Api, job: Object, every_s: float = RENEW_S, kubeflow_run: str = "") -> Iterator[None]:
    """Renews the annotations in a thread while the block runs.

    It does so at once if they are older than `every_s`, or of another run; see `set_in` for `kubeflow_run`. No renewal
    arrives after the block, unless the API server takes longer than `_LAST_RENEWAL_S` to answer one.
    """
    ended = threading.Event()
    age = age_s(job, api.now()) if followed_by(job) == kubeflow_run else None
    first_s = 0.0 if age is None else min(max(every_s - age, 0.0), every_s)
    arguments = (api, job, kubeflow_run or None, first_s, every_s, ended)
    renewals = threading.Thread(target=_renew, args=arguments, name="launch-renew", daemon=True)
    renewals.start()
    try:
        yield
    finally:
        ended.set()
        renewals.join(_LAST_RENEWAL_S)


def age_s(job: Object, now: datetime) -> float | None:
    """Returns the seconds since a launcher last followed a Job; None for one that needs no launcher.

    Args:
        job: The Job.
        now: The time by the API server's clock; see Api.now.
    """
    text = (job["metadata"].get("annotations") or {}).get(labels.FOLLOWED_AT)
    try:
        return (now - datetime.fromisoformat(text)).total_seconds() if text else None
    except (TypeError, ValueError):
        return None  # a person wrote something else into it


def followed_by(job: Object) -> str:
    """Returns the id of the run of Kubeflow Pipelines whose launcher last followed a Job; "" if there is none."""
    return str((job["metadata"].get("annotations") or {}).get(labels.FOLLOWED_BY) or "")


def is_unattended(job: Object, now: datetime) -> bool:
    """Tells whether a Job runs or waits for a node although its launcher is gone. A suspended Job holds no GPU."""
    if job_state.is_finished(job) or job["metadata"].get("deletionTimestamp") or job["spec"].get("suspend"):
        return False
    age = age_s(job, now)
    return age is not None and age > UNATTENDED_S


def without(job: Object) -> Object:
    """Returns a Job without what a renewal changes in it."""
    changed = ("annotations", "managedFields", "resourceVersion")
    metadata = {name: value for name, value in job["metadata"].items() if name not in changed}
    annotations = dict(job["metadata"].get("annotations") or {})
    for name in (labels.FOLLOWED_AT, labels.FOLLOWED_BY):
        annotations.pop(name, None)
    return {**job, "metadata": {**metadata, "annotations": annotations}}


def _renew(
    api: Api, job: Object, kubeflow_run: str | None, first_s: float, every_s: float, ended: threading.Event
) -> None:
    wait_s, is_warned = first_s, False
    while not ended.wait(wait_s):
        wait_s = every_s
        try:
            _patch(api, job, _text(api.now()), kubeflow_run, _REQUEST_LIMIT_S)
        except (NotFound, Conflict):
            return  # it was deleted
        except (ApiError, InputError, StepError) as error:
            if isinstance(error, StepError):
                wait_s = min(every_s, _AFTER_OUTAGE_S)
            if not is_warned:
                is_warned = True
                _LOG.warning("Job %s may look unattended: %s", job["metadata"]["name"], error)


def _patch(api: Api, job: Object, time: str | None, kubeflow_run: str | None, limit_s: float | None = None) -> None:
    annotations = {labels.FOLLOWED_AT: time, labels.FOLLOWED_BY: kubeflow_run}
    metadata = {"uid": job["metadata"]["uid"], "annotations": annotations}
    api.patch("jobs", job["metadata"]["name"], {"metadata": metadata}, limit_s)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
