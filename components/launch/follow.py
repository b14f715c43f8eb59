"""Follows a Job until it has finished: logs its state when that changes, prints its log, gives up what cannot run.

The thread that called `follow_job` takes the messages of the inbox; it alone decides and prints.

A Job may be queued, suspended, pending or running for any time, which is logged regularly. All other waits are limited;
see Timing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from components.core.errors import StepError
from components.kubernetes import watch
from components.kubernetes.client import Api, Object
from components.kubernetes.errors import ApiError
from components.launch import followed_at, job_state, labels, pod_state
from components.launch.events import Events
from components.launch.inbox import Failure, Inbox, JobChanged, JobDeleted, LogEnd, LogLine, Message, PodsChanged
from components.launch.job_state import Phase, State
from components.launch.pod_state import PendingReason
from components.launch.reconcile import resume
from components.telemetry import log

_LOG = log.get(__name__)
_ADOPTED_LINES = 10


@dataclass(frozen=True)
class Timing:
    """Intervals and time limits of a launcher.

    Attributes:
        heartbeat_s: An unchanged state is logged again after this time without another line.
        first_check_s: The events of a pending Job are read after this time, then after twice the time, and so on.
        longest_check_s: The longest time between two readings of the events.
        permanent_s: A permanent pending reason that holds for this time ends the launch. The kubelet and the Job
            controller have tried again by then.
        terminating_s: A Job that is being deleted, or whose pods have ended, may take this time. A pod may take its
            grace period on top.
        log_end_s: The rest of the log of a finished Job may take this time.
        watch_silence_s: See watch.snapshots.
        outage_s: The API server may be away for this time while the Job goes on without it: an upgrade of a cluster
            with one control plane takes several minutes.
        renew_s: See followed_at.renewed.
    """

    heartbeat_s: float = 300.0
    first_check_s: float = 1.0
    longest_check_s: float = 30.0
    permanent_s: float = 30.0
    terminating_s: float = 600.0
    log_end_s: float = 15.0
    watch_silence_s: float = watch.SILENCE_S
    outage_s: float = 900.0
    renew_s: float = followed_at.RENEW_S


DEFAULT_TIMING = Timing()


class JobDeletedError(Exception):
    """The Job does not exist any more: somebody deleted it, or it expired after it had finished."""


class CannotRunError(Exception):
    """The Job has a permanent pending reason, which is the message."""


@dataclass(frozen=True)
class FinishedJob:
    """A Job that has finished.

    Attributes:
        job: The Job.
        pods: Those of its pods that still exist.
        last_line: The newest line of its log.
    """

    job: Object
    pods: list[Object]
    last_line: str


def follow_job(
    api: Api,
    job: Object,
    is_new: bool,
    timing: Timing = DEFAULT_TIMING,
    on_change: Callable[[Object], object] = lambda job: None,
) -> FinishedJob:
    """Follows a Job until it has finished, and closes the API's streams.

    Args:
        api: The API.
        job: The Job.
        is_new: It has just been created. Of the log of any other Job, only the last lines are printed.
        timing: Intervals and time limits.
        on_change: Called with the Job as it is after each change.

    Raises:
        JobDeletedError: The Job does not exist any more.
        CannotRunError: It has a permanent pending reason.
        ApiError: The server refuses a watch.
        StuckError: It stays in phase Terminating.
        StepError: The server did not answer for too long.
    """
    try:
        return _Follower(api, job, is_new, timing, on_change).run()
    finally:
        api.close()


class _Follower:
    def __init__(
        self, api: Api, job: Object, is_new: bool, timing: Timing, on_change: Callable[[Object], object]
    ) -> None:
        self._on_change = on_change
        self._api, self._job, self._name, self._timing = api, job, job["metadata"]["name"], timing
        self._inbox = Inbox(api, job, timing.watch_silence_s, timing.outage_s)
        self._pods: list[Object] = []
        self._log_ends: dict[str, threading.Event] = {}  # by uid of the pod: set when its trainer has ended
        self._reading: set[str] = set()  # uids of the pods whose log is being read
        self._tail_lines = None if is_new else _ADOPTED_LINES
        self._logged_endings: set[str] = set()
        self._last_line = ""
        self._events = Events(api)
        self._from_events: PendingReason | None = None
        self._state: State | None = None
        self._output_time = self._state_time = time.monotonic()
        self._phase_time = self._output_time
        self._permanent_time: float | None = None
        self._check_s = timing.first_check_s

    def run(self) -> FinishedJob:
        self._inbox.watch()
        while not job_state.is_finished(self._job):
            message = self._inbox.take(self._longest_wait_s())
            if message is None:
                self._check_events()
            else:
                self._take(message)
            self._update_state()
        return self._finish()

    def _take(self, message: Message) -> None:
        match message:
            case LogLine(text):
                self._last_line = text.strip() or self._last_line
                self._output_time = time.monotonic()
                print(text, flush=True)
            case LogEnd(pod_uid):
                self._reading.discard(pod_uid)
            case JobDeleted():
                raise JobDeletedError
            case JobChanged(job):
                self._job = job
                self._on_change(job)
                resume(self._api, job)
            case PodsChanged(pods):
                self._take_pods(pods)
            case Failure(error):
                raise error

    def _take_pods(self, pods: list[Object]) -> None:
        for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp"))):
            uid = pod["metadata"]["uid"]
            if uid not in self._log_ends and labels.index_of(pod) == 0 and pod_state.has_started(pod):
                self._log_ends[uid] = threading.Event()
                self._reading.add(uid)
                self._inbox.read_log(pod, self._log_ends[uid], self._tail_lines)
            if uid in self._log_ends and pod_state.has_ended(pod):
                self._log_ends[uid].set()
            if pod_state.is_over(pod) and uid not in self._logged_endings:
                self._logged_endings.add(uid)
                ending = pod_state.ending(pod)
                if ending.exit_code != 0 and not job_state.is_finished(self._job):
                    self._log(f"pod {pod['metadata']['name']} was {ending.text}")
        self._tail_lines = None  # logs of later pods are read from their beginning
        self._pods = pods

    def _update_state(self) -> None:
        """Logs the state where it has changed, and ends the launch where waiting does not help."""
        if job_state.is_finished(self._job):
            return
        now = time.monotonic()
        without_events = job_state.state_of(self._job, self._pods)
        if self._state is None or _key(without_events) != _key(self._state):
            self._from_events, self._check_s, self._phase_time = None, self._timing.first_check_s, now
        state = job_state.state_of(self._job, self._pods, self._from_events)
        if self._state is None or state.text != self._state.text:
            self._state_time = now
            self._log(state.text)
        elif now - self._output_time >= self._timing.heartbeat_s:
            self._log(f"{state.text}, for {(now - self._state_time) / 60:.0f} min")
        self._state = state
        self._permanent_time = (self._permanent_time or now) if state.is_permanent else None
        if self._permanent_time is not None and now - self._permanent_time >= self._timing.permanent_s:
            raise CannotRunError(state.text)
        if state.phase is Phase.TERMINATING and now - self._phase_time >= self._terminating_limit_s(state):
            raise job_state.stuck_error(self._job, state, now - self._phase_time)

    def _terminating_limit_s(self, state: State) -> float:
        grace_s = state.pod["metadata"].get("deletionGracePeriodSeconds") if state.pod else None
        return self._timing.terminating_s + (grace_s or 0)

    def _check_events(self) -> None:
        """Reads the pending reason of a Job or pod from its events, which are not watched."""
        self._check_s = min(self._check_s * 2, self._timing.longest_check_s)
        state = self._state
        if state is None or state.is_permanent or state.phase not in (Phase.PENDING, Phase.QUEUED):
            return
        if state.pod is None:
            self._from_events = self._events.of_job(self._job, self._pods)
        elif state.pod["spec"].get("nodeName"):
            self._from_events = self._events.of_pod(state.pod)

    def _longest_wait_s(self) -> float:
        """Returns how long to wait for a message."""
        if self._state is None:
            return self._timing.longest_check_s
        if self._state.is_permanent:
            return min(self._check_s, self._timing.permanent_s)
        if self._state.phase is Phase.TERMINATING:
            left_s = self._phase_time + self._terminating_limit_s(self._state) - time.monotonic()
            return min(self._timing.heartbeat_s, max(left_s, 0.0))
        return self._check_s if self._state.phase in (Phase.PENDING, Phase.QUEUED) else self._timing.heartbeat_s

    def _log(self, text: str) -> None:
        self._output_time = time.monotonic()
        _LOG.info("Job %s: %s", self._name, text)

    def _finish(self) -> FinishedJob:
        """Reads the rest of the log."""
        with suppress(StepError, ApiError):  # the Job has finished: the pods as they were last seen will do
            self._take_pods(self._inbox.list_pods(self._timing.log_end_s))
        for ended in self._log_ends.values():
            ended.set()
        deadline = time.monotonic() + self._timing.log_end_s
        while self._reading and (left_s := deadline - time.monotonic()) > 0:
            message = self._inbox.take(left_s)
            if isinstance(message, LogLine | LogEnd):
                self._take(message)
        return FinishedJob(self._job, self._pods, self._last_line)


def _key(state: State) -> tuple[Phase, str | None]:
    return state.phase, state.pod["metadata"]["uid"] if state.pod else None
