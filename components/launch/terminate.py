"""What happens to the Job when its launcher is terminated.

A launcher gets the same SIGTERM when its pipeline run is terminated and when its pod moves to another node, so the
Job's treatment has to suit both:

* `suspend`, the default: the training saves its state and frees its GPU. A launcher that is started again adopts the
  Job and resumes it; a run that was terminated costs nothing more.
* `delete` is as safe, since the state is in the training directory and not in the Job, but leaves no Job to look at.
* `leave`: the training continues without a launcher.

A Job that Kueue manages is deleted instead of suspended: Kueue resumes every Job that it has admitted.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from components.core.errors import InputError, StepError
from components.kubernetes.client import Api, Object
from components.kubernetes.errors import ApiError, NotFound
from components.launch import job_state, labels
from components.launch.reconcile import suspend
from components.telemetry import log

_LOG = log.get(__name__)
OnTerminate = Literal["suspend", "delete", "leave"]
_LIMIT_S = 15.0  # a pod is killed 30 s after its SIGTERM


class TerminatedError(BaseException):
    """The process got SIGTERM or Ctrl-C. Raised in the main thread, wherever that is."""


@contextmanager
def signals_raised() -> Iterator[None]:
    """Raises TerminatedError in the block on the first SIGTERM or Ctrl-C; a second one ends the process.

    Outside of the main thread, which alone can handle signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def terminate(api: Api, wanted: Object, on_terminate: OnTerminate) -> None:
    """Suspends, deletes or leaves the Job of a launcher that ends. Logs what it did; raises nothing.

    Args:
        api: The API.
        wanted: The Job that job.fill_in returned; it need not have been created yet.
        on_terminate: What to do.
    """
    name = wanted["metadata"]["name"]
    try:
        job = api.get("jobs", name, limit_s=_LIMIT_S)
        if labels.spec_hash_of(job) != labels.spec_hash_of(wanted) or job_state.is_finished(job):
            return
        if on_terminate == "leave":
            _LOG.info("Job %s continues; the same command follows it again", name)
        elif on_terminate == "delete" or labels.queue_of(job):
            api.delete("jobs", name, job["metadata"]["uid"], limit_s=_LIMIT_S)
            _LOG.info("Job %s is deleted; the same command continues from its checkpoint", name)
        elif not job["spec"].get("suspend"):
            suspend(api, job, _LIMIT_S)
            _LOG.info("Job %s is suspended; the same command resumes it", name)
    except NotFound:
        return
    except (ApiError, InputError, StepError) as error:
        _LOG.warning("Job %s could not be stopped, so it continues: %s", name, error)


def _on_signal(number: int, frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    raise TerminatedError
