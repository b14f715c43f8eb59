"""Makes sure that a training has exactly one Job: creates it, adopts it, or replaces one that has finished."""

from __future__ import annotations

from collections.abc import Callable

from components.core.errors import InputError, StepError
from components.kubernetes.client import Api, Object
from components.kubernetes.errors import ApiError, Conflict, NotFound
from components.kubernetes.watch import is_deleted_within
from components.launch import job_state, labels
from components.launch.job import first_difference
from components.launch.job_state import Phase
from components.telemetry import log

_LOG = log.get(__name__)
_ATTEMPTS = 10
_LEFTOVER_LIMIT_S = 15.0


def create_or_adopt(
    api: Api, wanted: Object, is_trained: Callable[[], bool], deletion_limit_s: float
) -> tuple[Object, bool]:
    """Returns the Job of a training, and whether this call created it.

    Args:
        api: The API.
        wanted: The Job that job.fill_in returned.
        is_trained: Tells whether the training directory has a finished training.
        deletion_limit_s: How long to wait for the deletion of an earlier Job of the same name.

    Raises:
        InputError: A different Job of that name is active, or the same one failed because of its input.
        ApiError: The cluster refuses it.
        StuckError: An earlier Job is not deleted in time.
        StepError: Other processes create and delete Jobs of the same name.
    """
    name, backoff = wanted["metadata"]["name"], api.backoff()
    for _ in range(_ATTEMPTS):
        try:
            made = api.create("jobs", wanted)
            _LOG.info("created Job %s in namespace %s", name, api.namespace)
            return made, True
        except Conflict:
            pass
        try:
            found = api.get("jobs", name)
        except NotFound:
            backoff.pause()  # deleted between the two requests, or the conflict was in counting a quota
            continue
        if found["metadata"].get("deletionTimestamp"):
            _LOG.info("Job %s is being deleted; waiting until it is gone", name)
        elif not _is_to_be_replaced(found, wanted, is_trained):
            _LOG.info("adopted Job %s, which is the same training", name)
            return found, False
        else:
            api.delete("jobs", name, found["metadata"]["uid"])
        _wait_until_deleted(api, found, deletion_limit_s)
    raise StepError(
        f"Job {name} could not be created in {_ATTEMPTS} attempts: each time one of its name existed and was gone a "
        "moment later; check whether another process creates and deletes it, and try again"
    )


def suspend(api: Api, job: Object, limit_s: float) -> None:
    """Suspends a Job, and marks it as suspended by a launcher, so that the next launcher resumes it."""
    metadata = {"uid": job["metadata"]["uid"], "annotations": {labels.SUSPENDED_BY: labels.LAUNCHER}}
    api.patch("jobs", job["metadata"]["name"], {"metadata": metadata, "spec": {"suspend": True}}, limit_s)


def resume(api: Api, job: Object) -> None:
    """Resumes a Job that a launcher suspended; does nothing with one that a person suspended."""
    if not job["spec"].get("suspend") or labels.SUSPENDED_BY not in (job["metadata"].get("annotations") or {}):
        return
    metadata = {"uid": job["metadata"]["uid"], "annotations": {labels.SUSPENDED_BY: None}}
    try:
        api.patch("jobs", job["metadata"]["name"], {"metadata": metadata, "spec": {"suspend": False}})
    except (NotFound, Conflict):
        return  # it was deleted, as the watch will tell
    _LOG.info("resumed Job %s, which its last launcher had suspended", job["metadata"]["name"])


def delete_leftover(api: Api, name: str, training_uri: str) -> None:
    """Deletes the Job of a finished training if a launcher suspended it when it was terminated; raises nothing.

    No launcher would resume it, since the training is finished, so it would stay suspended.
    """
    try:
        job = api.get("jobs", name, limit_s=_LEFTOVER_LIMIT_S)
        annotations = job["metadata"].get("annotations") or {}
        is_suspended = job["spec"].get("suspend") and labels.SUSPENDED_BY in annotations
        if is_suspended and annotations.get(labels.TRAINING_URI) == training_uri and not job_state.is_finished(job):
            api.delete("jobs", name, job["metadata"]["uid"], limit_s=_LEFTOVER_LIMIT_S)
            _LOG.info("deleted Job %s: its last launcher had suspended it, and its training is finished", name)
    except NotFound:
        return
    except (ApiError, InputError, StepError) as error:
        _LOG.warning("cannot see whether Job %s is left suspended: %s", name, error)


def _is_to_be_replaced(found: Object, wanted: Object, is_trained: Callable[[], bool]) -> bool:
    name, is_same = wanted["metadata"]["name"], labels.spec_hash_of(found) == labels.spec_hash_of(wanted)
    delete = f"kubectl -n {found['metadata']['namespace']} delete job {name}"
    phase = job_state.finished_phase(found)
    if phase is None:
        if not is_same:
            raise InputError(
                f"a different Job {name} is active: {first_difference(found, wanted)}; wait for it, try another --run, "
                f"or delete it with `{delete}`"
            )
        return False
    if not is_same:
        _LOG.info("Job %s has finished and was a different training; replacing it", name)
        return True
    if phase is Phase.COMPLETE:
        if is_trained():
            return False
        _LOG.info("Job %s is complete, but its training does not exist any more; training again", name)
        return True
    failed = job_state.condition(found, Phase.FAILED) or {}
    if job_state.failed_by_input(found, []):
        raise InputError(
            f"Job {name} failed before because of its input: {failed.get('message')}; correct the input, and try "
            f"again after `{delete}`"
        )
    _LOG.info(
        "Job %s failed before (%s); replacing it, the training continues from its checkpoint",
        name,
        failed.get("reason"),
    )
    return True


def _wait_until_deleted(api: Api, job: Object, limit_s: float) -> None:
    name = job["metadata"]["name"]
    if is_deleted_within(api, "jobs", name, job["metadata"]["uid"], limit_s):
        return
    try:
        job = api.get("jobs", name)
    except NotFound:
        return
    raise job_state.stuck_error(job, job_state.state_of(job, []), limit_s)
