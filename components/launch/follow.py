"""Follows a Job to its end: says once what it waits for, passes its log on, and gives up what cannot come to be.

Two watches and the reader of the log are threads that put what they find into one inbox; all else happens in the thread
that called, which is therefore the only one that prints.
"""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from components.core.errors import StepError
from components.kubernetes.client import Api, Closed, Object
from components.kubernetes.logs import relay
from components.kubernetes.watch import views
from components.launch import job_state
from components.launch import pods as pod_words
from components.launch.events import Refusals
from components.launch.pending_reason import Hindrance
from components.launch.reconcile import resume_if_ours
from components.launch.template import CONTAINER
from components.telemetry import log

_LOG = log.get(__name__)
_HEARTBEAT_S = 300.0
_FIRST_LOOK_S, _LONGEST_LOOK_S = 1.0, 30.0
# A refusal that holds for so long will not go by itself: the kubelet has tried again, and so has the Job's controller.
_SURE_S = 30.0
_LOG_END_S = 15.0
_ADOPTED_LINES = 10


class JobGoneError(Exception):
    """Somebody deleted the Job, or it was removed after it had finished."""


class HopelessError(Exception):
    """The Job waits for what will not come by itself; the message says for what."""


@dataclass(frozen=True)
class Ended:
    """A Job that has finished.

    Attributes:
        job: As it is now.
        pods: Those of its pods that are still there.
        last_line: The newest of its log.
    """

    job: Object
    pods: list[Object]
    last_line: str


def follow(api: Api, job: Object, is_new: bool) -> Ended:
    """Follows a Job until it has finished; the API's streams are closed then.

    Args:
        api: The API.
        job: The Job.
        is_new: It has just been created; of one that was at work before, only the log's last lines are shown.

    Raises:
        JobGoneError: The Job is not there any more.
        HopelessError: It waits for what will not come by itself.
        InputError: The user may not watch.
        StepError: The API server was away for too long.
    """
    follower = _Follower(api, job, is_new)
    try:
        return follower.run()
    finally:
        api.close()


class _Follower:
    def __init__(self, api: Api, job: Object, is_new: bool) -> None:
        self._api, self._job, self._name = api, job, job["metadata"]["name"]
        self._inbox: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._pods: dict[str, Object] = {}
        self._pod_selector = {"labelSelector": f"batch.kubernetes.io/controller-uid={job['metadata']['uid']}"}
        self._logs: dict[str, threading.Event] = {}  # of the pods that are read, by uid: set when the pod has ended
        self._reading: set[str] = set()
        self._tail_lines = None if is_new else _ADOPTED_LINES
        self._endings_told: set[str] = set()
        self._last_line = ""
        self._refusals = Refusals(api)
        self._refusal: Hindrance | None = None
        self._state: job_state.State | None = None
        self._said_time = self._state_time = time.monotonic()
        self._hopeless_time: float | None = None
        self._look_s = _FIRST_LOOK_S

    def run(self) -> Ended:
        self._start(self._watch, "jobs", {"fieldSelector": f"metadata.name={self._name}"})
        self._start(self._watch, "pods", self._pod_selector)
        while not job_state.is_finished(self._job):
            try:
                kind, value = self._inbox.get(timeout=self._patience_s())
            except queue.Empty:
                self._look()
            else:
                self._take(kind, value)
            self._judge()
        return self._end()

    def _take(self, kind: str, value: Any) -> None:
        if kind == "line":
            self._last_line = value.strip() or self._last_line
            self._said_time = time.monotonic()
            print(value, flush=True)
        elif kind == "log end":
            self._reading.discard(value)
        elif kind == "error":
            raise value
        elif kind == "jobs":
            job = value.get(self._name)
            if job is None or job["metadata"]["uid"] != self._job["metadata"]["uid"]:
                raise JobGoneError
            self._job = job
            resume_if_ours(self._api, job)
        else:
            self._take_pods(value)

    def _take_pods(self, view: dict[str, Object]) -> None:
        there = {pod["metadata"]["uid"]: pod for pod in view.values()}
        for uid, pod in sorted(there.items(), key=lambda item: str(item[1]["metadata"].get("creationTimestamp"))):
            if uid not in self._logs and pod_words.index_of(pod) == 0 and pod_words.has_started(pod):
                self._logs[uid] = threading.Event()
                self._reading.add(uid)
                self._start(self._read, pod, self._logs[uid], self._tail_lines)
            if uid in self._logs and pod_words.has_ended(pod):
                self._logs[uid].set()
            if pod_words.is_over(pod) and uid not in self._endings_told:
                self._endings_told.add(uid)
                self._tell_ending(pod)
        self._tail_lines = None  # what starts from now on is read from its beginning
        self._pods = view

    def _tell_ending(self, pod: Object) -> None:
        ending = pod_words.ending(pod)
        if ending.exit_code != 0 and not job_state.is_finished(self._job):
            self._say(f"pod {pod['metadata']['name']} was {ending.text}")

    def _judge(self) -> None:
        """Says what the Job is at where that has changed, and gives up what is hopeless."""
        if job_state.is_finished(self._job):
            return
        bare, now = job_state.state_of(self._job, self._pods.values()), time.monotonic()
        if self._state is None or (bare.kind, _uid(bare)) != (self._state.kind, _uid(self._state)):
            self._refusal, self._look_s = None, _FIRST_LOOK_S
        state = job_state.state_of(self._job, self._pods.values(), self._refusal)
        if self._state is None or state.text != self._state.text:
            self._state_time = now
            self._say(state.text)
        elif now - self._said_time >= _HEARTBEAT_S:
            self._say(f"{state.text}, for {(now - self._state_time) / 60:.0f} min")
        self._state = state
        self._hopeless_time = (self._hopeless_time or now) if state.is_hopeless else None
        if self._hopeless_time is not None and now - self._hopeless_time >= _SURE_S:
            raise HopelessError(state.text)

    def _look(self) -> None:
        """Asks what is held against a Job that does not get on: nobody tells that unasked."""
        self._look_s = min(self._look_s * 2, _LONGEST_LOOK_S)
        state = self._state
        if state is None or state.is_hopeless:
            return
        if state.kind in ("queued", "without"):
            self._refusal = self._refusals.of_job(self._job, job_state.queue_of(self._job), self._pods.values())
        elif state.kind == "starts" and state.pod and state.pod["spec"].get("nodeName"):
            self._refusal = self._refusals.of_pod(state.pod)

    def _patience_s(self) -> float:
        """Returns how long to wait for news before looking for oneself."""
        if self._state is None:
            return _LONGEST_LOOK_S
        if self._state.is_hopeless:
            return min(self._look_s, _SURE_S)
        return self._look_s if self._state.kind in ("queued", "without", "starts") else _HEARTBEAT_S

    def _say(self, text: str) -> None:
        self._said_time = time.monotonic()
        _LOG.info("Job %s: %s", self._name, text)

    def _end(self) -> Ended:
        """Reads what is left of the log."""
        with suppress(StepError):  # the Job has finished: what is known of its pods will do
            pods = self._api.get("pods", query=self._pod_selector, limit_s=_LOG_END_S)["items"]
            self._take_pods({pod["metadata"]["name"]: pod for pod in pods})
        for ended in self._logs.values():
            ended.set()
        deadline = time.monotonic() + _LOG_END_S
        while self._reading and time.monotonic() < deadline:
            try:
                kind, value = self._inbox.get(timeout=deadline - time.monotonic())
            except (queue.Empty, ValueError):
                break
            if kind in ("line", "log end"):
                self._take(kind, value)
        return Ended(self._job, list(self._pods.values()), self._last_line)

    def _start(self, work: Any, *arguments: Any) -> None:
        threading.Thread(target=work, args=arguments, name=f"launch-{work.__name__}", daemon=True).start()

    def _watch(self, collection: str, selectors: dict[str, str]) -> None:
        try:
            for view in views(self._api, collection, **selectors):
                self._inbox.put((collection, view))
        except Closed:
            return
        except Exception as error:
            self._inbox.put(("error", error))

    def _read(self, pod: Object, ended: threading.Event, tail_lines: int | None) -> None:
        try:
            for line in relay(self._api, pod["metadata"]["name"], CONTAINER, ended, tail_lines):
                self._inbox.put(("line", line))
        except Closed:
            return
        except Exception as error:
            self._inbox.put(("error", error))
        finally:
            self._inbox.put(("log end", pod["metadata"]["uid"]))


def _uid(state: job_state.State) -> str | None:
    return state.pod["metadata"]["uid"] if state.pod else None
