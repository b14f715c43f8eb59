"""One Job for a training, whoever asks how often: creates it, adopts it, or replaces one that has come to its end."""

from __future__ import annotations

from collections.abc import Callable

from components.core.errors import InputError
from components.kubernetes.client import Api, Object
from components.kubernetes.errors import ApiError
from components.kubernetes.watch import views
from components.launch import job_state
from components.launch.difference import first_difference
from components.telemetry import log

SUSPENDED_BY = "luthier.dev/suspended-by"
_LOG = log.get(__name__)


def create_or_adopt(api: Api, wanted: Object, is_trained: Callable[[], bool]) -> tuple[Object, bool]:
    """Makes sure that there is a Job, exactly one, and that it is the one that is wanted.

    Args:
        api: The API.
        wanted: The Job as of job.fill_in.
        is_trained: Tells whether the training's directory says that it is finished.

    Returns:
        The Job, and whether it was created here.

    Raises:
        InputError: There is another Job of that name at work, or one that failed by its input; or it is refused.
    """
    name, backoff = wanted["metadata"]["name"], api.backoff()
    while True:
        try:
            made = api.create("jobs", wanted)
            _LOG.info("created Job %s in namespace %s", name, api.namespace)
            return made, True
        except ApiError as error:
            if error.code != 409:
                raise api.in_words(error, "jobs") from error
        try:
            found = api.get("jobs", name)
        except ApiError as error:
            if error.code != 404:
                raise
            backoff.pause()  # gone between the two requests, or a quota was being counted
            continue
        if found["metadata"].get("deletionTimestamp"):
            _LOG.info("Job %s is being deleted; waiting until it is gone", name)
        elif not _is_to_be_replaced(found, wanted, is_trained):
            _LOG.info("adopted Job %s, which is this very training", name)
            return found, False
        else:
            api.delete("jobs", name, found["metadata"]["uid"])
        _wait_until_gone(api, found)


def suspend(api: Api, job: Object, limit_s: float) -> None:
    """Pauses a Job, so that who follows it next knows that no person did it."""
    metadata = {"uid": job["metadata"]["uid"], "annotations": {SUSPENDED_BY: "launcher"}}
    api.patch("jobs", job["metadata"]["name"], {"metadata": metadata, "spec": {"suspend": True}}, limit_s)


def resume_if_ours(api: Api, job: Object) -> None:
    """Lets a Job go on that a launcher paused when it was asked to end; one that a person paused stays so."""
    if not job["spec"].get("suspend") or SUSPENDED_BY not in (job["metadata"].get("annotations") or {}):
        return
    metadata = {"uid": job["metadata"]["uid"], "annotations": {SUSPENDED_BY: None}}
    try:
        api.patch("jobs", job["metadata"]["name"], {"metadata": metadata, "spec": {"suspend": False}})
    except ApiError as error:
        if error.code not in (404, 409):
            raise
        return  # it is gone; the watch will tell
    _LOG.info("Job %s was paused when its launcher ended; it goes on", job["metadata"]["name"])


def _is_to_be_replaced(found: Object, wanted: Object, is_trained: Callable[[], bool]) -> bool:
    name, is_same = wanted["metadata"]["name"], job_state.hash_of(found) == job_state.hash_of(wanted)
    if not job_state.is_finished(found):
        if not is_same:
            raise InputError(
                f"there is another Job {name} at work: {first_difference(found, wanted)}; wait for it, try another "
                f"--run, or remove it with `kubectl -n {found['metadata']['namespace']} delete job {name}`"
            )
        return False
    if not is_same:
        _LOG.info("Job %s is over and was another one; it is replaced", name)
        return True
    if job_state.condition(found, "Complete"):
        if is_trained():
            return False
        _LOG.info("Job %s is done, but its training is not there any more; it is trained again", name)
        return True
    failed = job_state.condition(found, "Failed") or {}
    if job_state.failed_by_input(found, []):
        raise InputError(
            f"Job {name} has failed before, its input was at fault: {failed.get('message')}; mend it, and try again "
            f"after `kubectl -n {found['metadata']['namespace']} delete job {name}`"
        )
    _LOG.info("Job %s failed before (%s); it is replaced, and goes on from its checkpoint", name, failed.get("reason"))
    return True


def _wait_until_gone(api: Api, job: Object) -> None:
    name = job["metadata"]["name"]
    for view in views(api, "jobs", fieldSelector=f"metadata.name={name}"):
        if view.get(name, {}).get("metadata", {}).get("uid") != job["metadata"]["uid"]:
            return
