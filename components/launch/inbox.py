"""Messages about a Job that is followed, from threads that watch the Job and its pods and read their logs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from components.core.errors import StepError
from components.kubernetes import logs, watch
from components.kubernetes.client import Api, Object
from components.kubernetes.errors import ApiError, StreamsClosed
from components.launch import followed_at, labels, pod_state
from components.launch.template import CONTAINER
from components.telemetry import log

_LOG = log.get(__name__)


@dataclass(frozen=True)
class JobChanged:
    """The Job as it is now."""

    job: Object


@dataclass(frozen=True)
class JobDeleted:
    """The Job does not exist any more."""


@dataclass(frozen=True)
class PodsChanged:
    """The pods of the Job as they are now."""

    pods: list[Object]


@dataclass(frozen=True)
class LogLine:
    """A line of the trainer's log, as text."""

    text: str


@dataclass(frozen=True)
class LogEnd:
    """The log of a pod was read to its end, or cannot be read."""

    pod_uid: str


@dataclass(frozen=True)
class Failure:
    """A thread failed with an error that ends the launch."""

    error: Exception


Message = JobChanged | JobDeleted | PodsChanged | LogLine | LogEnd | Failure


class Inbox:
    """The messages about one Job. Its threads end when the Api is closed."""

    def __init__(self, api: Api, job: Object, watch_silence_s: float, outage_s: float) -> None:
        """Takes a Job and two of follow.Timing."""
        self._api, self._job, self._silence_s, self._outage_s = api, job, watch_silence_s, outage_s
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._pod_selectors = {"labelSelector": f"{labels.CONTROLLER_UID}={job['metadata']['uid']}"}

    def watch(self) -> None:
        """Starts to watch the Job and its pods."""
        self._start("job", self._watch_job)
        self._start("pods", self._watch_pods)

    def read_log(self, pod: Object, ended: threading.Event, tail_lines: int | None) -> None:
        """Starts to read the trainer's log; see logs.lines. A log that cannot be read is a warning."""
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]

        def read() -> None:
            try:
                for line in logs.lines(self._api, name, CONTAINER, ended, tail_lines, self._outage_s):
                    self._messages.put(LogLine(pod_state.log_text(line)))
            except (ApiError, StepError, ValueError) as error:
                _LOG.warning("the log of pod %s cannot be read: %s", name, error)
            finally:
                self._messages.put(LogEnd(uid))

        self._start("log", read)

    def take(self, timeout_s: float) -> Message | None:
        """Returns the next message; None where there is none within the time."""
        try:
            return self._messages.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def list_pods(self, limit_s: float) -> list[Object]:
        """Requests the pods of the Job. Raises what Api.get raises."""
        pods: list[Object] = self._api.get("pods", query=self._pod_selectors, limit_s=limit_s)["items"]
        return pods

    def _watch_job(self) -> None:
        name, uid = self._job["metadata"]["name"], self._job["metadata"]["uid"]
        selectors = {"fieldSelector": f"metadata.name={name}"}
        last: Object | None = None
        for jobs in watch.snapshots(self._api, "jobs", selectors, self._silence_s, self._outage_s):
            job = jobs.get(name)
            if not job or job["metadata"]["uid"] != uid:
                self._messages.put(JobDeleted())
            elif last is None or followed_at.without(job) != followed_at.without(last):
                self._messages.put(JobChanged(job))
                last = job

    def _watch_pods(self) -> None:
        for pods in watch.snapshots(self._api, "pods", self._pod_selectors, self._silence_s, self._outage_s):
            self._messages.put(PodsChanged(list(pods.values())))

    def _start(self, name: str, work: Callable[[], None]) -> None:
        """Runs `work` in a thread; an error of it becomes a message."""

        def run() -> None:
            try:
                work()
            except StreamsClosed:
                return
            except Exception as error:
                self._messages.put(Failure(error))

        threading.Thread(target=run, name=f"launch-{name}", daemon=True).start()
