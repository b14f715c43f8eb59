"""Follows a run in Kubeflow: shows its tasks as lines and bars, and at the end which failed and why."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import click
from kfp_server_api import V2beta1Run

from components.core.errors import InputError, StepError
from components.telemetry import log
from components.telemetry.task import last_end
from pipelines.kubeflow.client import Kubeflow, NotLoggedInError, UnreachableError, api_errors
from pipelines.kubeflow.nodes import Node, nodes_of_tasks, nodes_of_workflow
from pipelines.kubeflow.runs import ENDED, was_stopped
from pipelines.kubeflow.tasks import PipelineTask, WaitingPod, failures_of, tasks_of, waiting_of
from pipelines.package import PLAN_TASK, TRAIN_TASK
from pipelines.run.display import Display

_LOG = log.get(__name__)
POLL_S = 5.0  # Argo looks at a workflow every 10 s
_TIMEOUT_S = 60
_OUTAGE_S = 15 * 60
# A traceback's last line: "components.core.errors.InputError: the source is empty". What a class of ours says is a
# sentence for the user, whatever its name (NoObject, BadRecord); of another class the name is a part of what it says.
_RAISED = re.compile(
    r"((?:components|pipelines)\.[\w.]+\.\w+|(?:[\w.]+\.)?\w*(?:Error|Exception|Exit|Interrupt)): (.+)"
)
_OURS = ("components", "pipelines")
# What code of one version raises when it calls that of another one.
_OF_VERSIONS = ("AttributeError", "ImportError", "ModuleNotFoundError", "TypeError")
_SAME_VERSION = "; if the images are of another version of Luthier than this command, build and push them again"
# Lines of Kubeflow's launcher, "F1127 14:59:07.947451      15 main.go:130] failed to ...", and of Argo's executor.
_LAUNCHER = re.compile(r"([IWEF])\d{4} [\d:.]+ +\d+ [\w.]+:\d+\] (.*)")
_ARGO = re.compile(r"time=\S+ level=.*")
_EXIT_STATUS = re.compile(r"(?:.*: )?exit status \d+")


def follow(kubeflow: Kubeflow, run_id: str) -> None:
    """Shows a run's progress until it ends.

    While the API does not answer, it retries for 15 minutes.

    Raises:
        StepError: The run failed or was stopped; or it continues: the API does not answer, the user's session has
            expired, or the user pressed Ctrl-C.
        InputError: The API refuses to show the run.
    """
    url = kubeflow.page("runs", "details", run_id)
    events_of_run = _TaskEvents(lambda node: kubeflow.pod_log(run_id, node))
    run = None
    try:
        with Display() as display:
            while True:
                run = _read(kubeflow, run_id)
                nodes = _nodes(kubeflow, run)
                for event in events_of_run.events(tasks_of(nodes)):
                    display.show(event)
                if run.state not in ENDED:
                    for event in events_of_run.waits(waiting_of(nodes)):
                        display.show(event)
                if run.state in ENDED:
                    break
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        raise StepError(f"stopped following; {_continues(kubeflow, run_id)}") from None
    except NotLoggedInError as error:
        if run is None:
            raise
        raise StepError(f"{error}; {_continues(kubeflow, run_id)}") from error
    except InputError as error:
        if run is None:
            raise
        raise StepError(f"{error}: somebody has deleted it since it was submitted ({url})") from error
    if was_stopped(run):
        raise StepError(f"the run was stopped (see {url})")
    if run.state == "FAILED":
        raise StepError(f"{_reason(kubeflow, run)} (see {url})")
    click.echo(f"succeeded  {url}")


def _continues(kubeflow: Kubeflow, run_id: str) -> str:
    url, host = kubeflow.page("runs", "details", run_id), kubeflow.endpoint.host
    return (
        f"the run continues: {url} (follow: 'luthier submit --host {host} --follow {run_id}', "
        f"stop: 'luthier submit --host {host} --stop {run_id}')"
    )


def _read(kubeflow: Kubeflow, run_id: str) -> V2beta1Run:
    deadline = time.monotonic() + _OUTAGE_S
    warned = False
    while True:
        try:
            with api_errors(f"read the run '{run_id}'"):
                return kubeflow.api.runs.run_service_get_run(run_id=run_id, _request_timeout=_TIMEOUT_S)
        except UnreachableError as error:
            if time.monotonic() > deadline:
                raise StepError(f"{error}; the run continues, try 'luthier submit --follow {run_id}'") from error
            if not warned:
                _LOG.warning("%s; trying again", error)
                warned = True
            time.sleep(POLL_S)


def _nodes(kubeflow: Kubeflow, run: V2beta1Run) -> list[Node]:
    """Returns the nodes of the run's workflow; where the API does not have that, those that its tasks tell of."""
    try:
        nodes = nodes_of_workflow(kubeflow.workflow_manifest(run.run_id))
    except (ValueError, KeyError, OSError):  # none, or in another form
        nodes = []
    return nodes or nodes_of_tasks((run.run_details.task_details if run.run_details else None) or [])


class _TaskEvents:
    """The tasks seen so far; the tasks of a loop, which share a name, get numbers until their logs tell more."""

    def __init__(self, log_of: Callable[[str], str]) -> None:
        """Takes what returns the log of a node, "" for none."""
        self._log_of = log_of
        self._titles: dict[str, str] = {}
        self._names: Counter[str] = Counter()
        self._ended: set[str] = set()
        self._waits: set[tuple[str, str]] = set()

    def waits(self, pods: list[WaitingPod]) -> Iterator[dict[str, Any]]:
        """Yields why pods do not start, each reason of a pod once: its text changes with every look at the nodes."""
        for pod in pods:
            if (pod.key, pod.reason) not in self._waits:
                self._waits.add((pod.key, pod.reason))
                yield {"kind": "waits", "title": pod.name, "pid": pod.key, "time": time.time(), "text": pod.text}

    def events(self, tasks: list[PipelineTask]) -> Iterator[dict[str, Any]]:
        """Yields the events since the last call, in the form of `pipelines.run.display`."""
        for task in tasks:
            if task.key not in self._titles:
                self._names[task.name] += 1
                number = self._names[task.name]
                self._titles[task.key] = task.name if number == 1 else f"{task.name} ({number})"
                yield self._event("start", task)
            if task.state in ENDED and task.key not in self._ended:
                self._ended.add(task.key)
                yield self._end(task)

    def _end(self, task: PipelineTask) -> dict[str, Any]:
        text = "from the cache" if task.reused else _duration(task.seconds)
        if task.state == "FAILED":
            return self._event("failed", task, message=f"failed {text}".strip())
        told = last_end(self._log_of(task.pod)) if task.name in (PLAN_TASK, TRAIN_TASK) and task.pod else None
        if told is None:
            return self._event("done", task, text=text, facts={})
        if task.name == TRAIN_TASK:
            self._titles[task.key] = told.title
        if told.failed:  # a training that failed is a task that succeeded: the run goes on
            return self._event("failed", task, message=f"{text}: {told.text}")
        return self._event("done", task, text=f"{text}: {told.text}", facts={})

    def _event(self, kind: str, task: PipelineTask, **fields: Any) -> dict[str, Any]:
        # Each task is a process of its own.
        return {"kind": kind, "title": self._titles[task.key], "pid": task.key, "time": time.time(), **fields}


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"after {minutes} min {rest} s" if minutes else f"after {rest} s"


def _reason(kubeflow: Kubeflow, run: V2beta1Run) -> str:
    """Returns the first failed task with the last error of its log; else what the run itself says."""
    failures = failures_of(_nodes(kubeflow, run))
    if failures:
        first, others = failures[0], len(failures) - 1
        more = f" (and {others} more failed)" if others else ""
        return f"{first.name}: {_message(kubeflow.pod_log(run.run_id, first.node), first.message)}{more}"
    errors = [status.error for status in run.state_history or [] if status.error]
    told = [run.error.message] if run.error else [error.message for error in errors[-1:]]
    return f"the run failed: {told[0] if told and told[0] else 'Kubeflow reports no reason'}"


def _message(log_text: str, pod_message: str) -> str:
    """Returns the last error in a failed pod's log; else its last line and what Argo says about the pod."""
    errors, others = [], []
    for line in filter(None, map(str.strip, log_text.splitlines())):
        launcher, raised = _LAUNCHER.fullmatch(line), _RAISED.fullmatch(line)
        if _EXIT_STATUS.fullmatch(line) or _ARGO.fullmatch(line):
            continue
        if launcher:
            level, message = launcher.groups()
            if level == "F" and not _EXIT_STATUS.fullmatch(message):
                errors.append(message.removeprefix("failed to execute component: "))
        elif raised:
            (module, _, kind), message = raised[1].rpartition("."), raised[2]
            hint = _SAME_VERSION if kind in _OF_VERSIONS else ""
            errors.append(message if module.startswith(_OURS) else f"{kind}: {message}{hint}")
        else:
            others.append(line)
    if errors:
        return errors[-1]
    why = f" ({pod_message})" if pod_message else ""
    return f"{others[-1] if others else 'failed; its log is no longer available'}{why}"
