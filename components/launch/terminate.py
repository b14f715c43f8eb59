"""What becomes of the Job when its launcher is asked to end, and why.

A pipeline run that is terminated and a launcher's pod that is only moved to another node look the same from inside: a
SIGTERM. So the answer has to be right for both. `suspend`, the default, is: the training saves its state and frees its
GPU; a launcher that is started again adopts the Job and lets it go on; a run that was terminated costs nothing more.
`delete` is as safe (the state is in the training's directory, not in the Job) and leaves nothing to look at. `leave`
lets it train on with nobody watching: for a person who wants to look away. A Job of Kueue's is deleted instead of
suspended: Kueue starts every Job that it has admitted, and would start that one again at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from components.core.errors import InputError, StepError
from components.kubernetes.client import Api, Object
from components.kubernetes.errors import ApiError
from components.launch import job_state
from components.launch.reconcile import suspend
from components.telemetry import log

_LOG = log.get(__name__)
OnTerminate = Literal["suspend", "delete", "leave"]
# A pod is killed 30 s after its SIGTERM.
_LIMIT_S = 15.0


class TerminatedError(BaseException):
    """The process has been asked to end. Raised in the main thread, wherever it is."""


@contextmanager
def caught() -> Iterator[None]:
    """Turns the first SIGTERM or Ctrl-C inside the block into a TerminatedError; a second one ends the process.

    Only the main thread may catch signals; elsewhere this does nothing.
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


def let_go(api: Api, wanted: Object, on_terminate: OnTerminate) -> None:
    """Does with the Job what its user wants done when nobody follows it any more.

    Args:
        api: The API.
        wanted: The Job; whether it was ever created need not be known.
        on_terminate: What to do.
    """
    name = wanted["metadata"]["name"]
    try:
        job = api.get("jobs", name, limit_s=_LIMIT_S)
        if job_state.hash_of(job) != job_state.hash_of(wanted) or job_state.is_finished(job):
            return
        if on_terminate == "leave":
            _LOG.info("Job %s trains on; the same command follows it again", name)
        elif on_terminate == "delete" or job_state.queue_of(job):
            api.delete("jobs", name, job["metadata"]["uid"], limit_s=_LIMIT_S)
            _LOG.info("Job %s is deleted; the same command goes on from its checkpoint", name)
        elif not job["spec"].get("suspend"):
            suspend(api, job, _LIMIT_S)
            _LOG.info("Job %s is paused; the same command goes on with it", name)
    except ApiError as error:
        if error.code != 404:
            _LOG.warning("Job %s could not be stopped, it trains on: %s", name, error)
    except (InputError, StepError) as error:
        _LOG.warning("Job %s could not be stopped, it trains on: %s", name, error)


def _on_signal(number: int, frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    raise TerminatedError
