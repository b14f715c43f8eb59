"""What happens to the Job when its launcher is terminated.

A launcher gets the same SIGTERM when its pipeline run is terminated and when its pod moves to another node, so the
Job's treatment has to suit both:

* `suspend`, the default: the training saves its state and frees its GPU. A launcher that is started again adopts the
  Job and resumes it; a run that was terminated costs nothing more.
* `delete` is as safe, since the state is in the training directory and not in the Job, but leaves no Job to look at.
* `leave`: the training continues without a launcher.

A Job that Kueue manages is deleted instead of suspended: Kueue resumes every Job that it has admitted.

A launcher that is killed can do none of this; see `followed_at`. A step of Kubeflow Pipelines is killed within a second
of SIGTERM: Argo's emissary, the first process of the container, passes the signal on and ends with its child, which is
Kubeflow's launcher, and which the signal ends at once. So one request stops the Job.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from components.core.errors import EXIT_AGAIN, InputError, StepError
from components.kubernetes.client import Api, Object
from components.kubernetes.errors import ApiError, NotFound
from components.launch import job_state, labels
from components.launch.reconcile import suspend
from components.telemetry import log

_LOG = log.get(__name__)
OnTerminate = Literal["suspend", "delete", "leave"]
Result = TypeVar("Result")
LIMIT_S = 25.0
"""What a launcher does after its first SIGTERM may take so long: its pod is killed 30 s after it."""

_REQUEST_LIMIT_S = 20.0
_CREATION_S = 1.0  # a request to create the Job may have been interrupted, and the server still works on it


class TerminatedError(BaseException):
    """The process got SIGTERM or Ctrl-C. Raised in the main thread, wherever that is."""


def run_until_terminated(
    work: Callable[[], Result], on_terminated: Callable[[], object], limit_s: float = LIMIT_S
) -> Result:
    """Runs `work`. SIGTERM or Ctrl-C interrupts it, calls `on_terminated` and ends the process.

    A pod gets SIGTERM more than once: from Argo's emissary and from the kubelet. Only the first has an effect, and
    `on_terminated` runs in a thread, which no signal interrupts. A Ctrl-C after the first signal ends the process at
    once. Outside of the main thread, which alone can handle signals, this only runs `work`.

    Args:
        work: What to run.
        on_terminated: What to do before the process ends.
        limit_s: The process ends so long after the first signal at the latest, also without `on_terminated`.

    Raises:
        SystemExit: The process was asked to end; the code is errors.EXIT_AGAIN.
        KeyboardInterrupt: Ctrl-C after the first signal.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    signals = _Signals()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        for number in before:
            signal.signal(number, signals.handle)
        result = work()
        signals.are_over = True
        return result
    except TerminatedError:
        signals.are_over = True
        before[signal.SIGTERM] = signal.SIG_IGN  # nor may one that comes later change the exit code
        _run_within(on_terminated, signals.first_time + limit_s - time.monotonic())
        raise SystemExit(EXIT_AGAIN) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Signals:
    """The handler of SIGTERM and SIGINT.

    Until the exception is caught, every SIGTERM raises it again: Python drops an exception that a handler raises within
    a finalizer.

    Attributes:
        first_time: When the first signal came, on the clock of time.monotonic; 0 if none came.
        are_over: The work has ended, so that there is nothing to interrupt.
    """

    def __init__(self) -> None:
        self.first_time = 0.0
        self.are_over = False

    def handle(self, number: int, frame: Any) -> None:
        if number == signal.SIGINT and (self.first_time or self.are_over):
            raise KeyboardInterrupt
        if not self.are_over:
            self.first_time = self.first_time or time.monotonic()
            raise TerminatedError


def _run_within(work: Callable[[], object], limit_s: float) -> None:
    thread = threading.Thread(target=work, name="launch-terminate", daemon=True)
    thread.start()
    thread.join(max(limit_s, 0.0))
    if thread.is_alive():
        _LOG.warning("the Job was not stopped in time; `luthier jobs` shows whether it continues")


def terminate(api: Api, wanted: Object, on_terminate: OnTerminate, seen: Object | None = None) -> None:
    """Suspends, deletes or leaves the Job of a launcher that ends. Logs what it did; raises nothing.

    Args:
        api: The API.
        wanted: The Job that job.fill_in returned; it need not have been created yet.
        on_terminate: What to do.
        seen: The Job as it was last seen; None for one that may not exist. It saves the request for it.
    """
    name = wanted["metadata"]["name"]
    try:
        job = seen or _find(api, name)
        if labels.spec_hash_of(job) != labels.spec_hash_of(wanted) or job_state.is_finished(job):
            return
        if on_terminate == "leave":
            _LOG.info("Job %s continues; the same command follows it again", name)
        else:
            stop(api, job, deletes=on_terminate == "delete")
    except NotFound:
        return
    except (ApiError, InputError, StepError) as error:
        _LOG.warning("Job %s could not be stopped, so it continues: %s", name, error)


def stop(api: Api, job: Object, deletes: bool = False) -> None:
    """Suspends a Job so that the next launcher resumes it, or deletes it. One that Kueue manages is always deleted.

    Raises:
        ApiError: The server refuses it: NotFound where the Job does not exist any more.
        StepError: The server did not answer for too long.
    """
    name = job["metadata"]["name"]
    if deletes or labels.queue_of(job):
        api.delete("jobs", name, job["metadata"]["uid"], limit_s=_REQUEST_LIMIT_S)
        _LOG.info("Job %s is deleted; the same command continues from its checkpoint", name)
    elif not job["spec"].get("suspend"):
        suspend(api, job, _REQUEST_LIMIT_S)
        _LOG.info("Job %s is suspended; the same command resumes it", name)


def _find(api: Api, name: str) -> Object:
    """Returns the Job. One that is not found may appear a moment later."""
    deadline = time.monotonic() + _CREATION_S
    while True:
        try:
            return api.get("jobs", name, limit_s=_REQUEST_LIMIT_S)
        except NotFound:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
