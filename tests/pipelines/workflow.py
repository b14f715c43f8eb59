"""A run's Argo workflow as Kubeflow Pipelines 2.17 compiles it, and what the API tells of it.

Names, groups, children and ids are as in the recorded answers (`recorded/`): Kubeflow's own manifests have Argo retry
every node, so that each is a group of its attempts; what follows a node is a child of its last attempt; a task of the
API has neither the id nor the name of its node.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.kubeflow.nodes import node_id

RECORDED = Path(__file__).parent / "recorded"
_WORKFLOW = "train-instruments-x7k2p"
_BEGIN = datetime(2026, 3, 1, 10, tzinfo=UTC)
_UNSET = "0001-01-01T00:00:00Z"
_STATES = {"Error": "FAILED", "Omitted": None}


class Workflow:
    """Nodes by id, the log of each pod, and the states that the run went through.

    Attributes:
        nodes: As in an Argo workflow: id, name, displayName, phase, startedAt, finishedAt, children.
        logs: Logs by node id.
        history: The run's `state_history`.
    """

    def __init__(self, history: Sequence[str] = ("PENDING", "RUNNING")) -> None:
        self.nodes: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, str] = {}
        self.history = [{"update_time": _BEGIN.isoformat(), "state": state} for state in history]
        self._last = self._node(_WORKFLOW, _WORKFLOW, "RUNNING")
        self._last = self._node(f"{_WORKFLOW}(0)", f"{_WORKFLOW}(0)", "RUNNING", after=self._last)
        self._group = self._last["name"]

    def task(
        self, name: str, state: str = "SUCCEEDED", cached: bool = False, attempts: Sequence[str] = (), log: str = ""
    ) -> None:
        """Adds a task with its driver, group and executor.

        Args:
            name: The task's.
            state: The task's.
            cached: Whether the executor is skipped.
            attempts: The states of the executor's attempts; by default one, as the task.
            log: What its last pod wrote.
        """
        driver = self._retried(self._group, f"{name}-driver", "SUCCEEDED", self._last)
        task = self._retried(self._group, name, state, driver)
        executor = self._node(f"{task['name']}.executor", "executor", "SKIPPED" if cached else state, after=task)
        for number, outcome in enumerate([] if cached else attempts or [state]):
            pod = self._node(f"{executor['name']}({number})", f"executor({number})", outcome, after=executor)
            self.logs[pod["id"]] = f"attempt {number}: RuntimeError: not this one\n"
            self.logs[pod["id"]] = log if number == len(attempts or [state]) - 1 else self.logs[pod["id"]]
        self._last = task

    def failed_driver(self, name: str, log: str) -> None:
        """Adds a task that never began, because its driver failed."""
        driver = self._retried(self._group, f"{name}-driver", "FAILED", self._last)
        self._node(f"{self._group}.{name}", name, "OMITTED", after=driver)
        self.logs[driver["id"]] = log

    def loop(self, name: str, items: int, state: str) -> Iterator[int]:
        """Adds a loop, and yields its items: the tasks that are added meanwhile stand in that item."""
        driver = self._retried(self._group, f"{name}-driver", "SUCCEEDED", self._last)
        loop = self._retried(self._group, name, state, driver)
        group = self._node(f"{loop['name']}.iteration-iterations", "iteration-iterations", state, after=loop)
        for item in range(items):
            label = f"iteration-iterations({item}:{item})"
            node = self._node(f"{group['name']}({item}:{item})", label, state, after=group)
            attempt = self._node(f"{node['name']}(0)", f"{label}(0)", state, after=node)
            self._last = self._retried(attempt["name"], "iteration-item", state, attempt)
            self._group = self._last["name"]
            yield item

    def manifest(self, compressed: bool = False) -> str:
        """Returns the workflow as JSON; Argo compresses the nodes of a large one."""
        status: dict[str, Any] = {"nodes": self.nodes}
        if compressed:
            status = {"compressedNodes": base64.b64encode(gzip.compress(json.dumps(self.nodes).encode())).decode()}
        return json.dumps({"metadata": {"name": _WORKFLOW}, "status": status})

    def task_details(self) -> list[dict[str, Any]]:
        """Returns the nodes as the tasks of the API: sorted by random ids, without their own ids and full names."""
        found = []
        for number, node in enumerate(sorted(self.nodes.values(), key=lambda each: each["id"][::-1])):
            state = _STATES.get(node["phase"], node["phase"].upper())
            task = {
                "task_id": f"task-{number}",
                "display_name": node["displayName"],
                "create_time": _BEGIN.isoformat(),
                "start_time": node["startedAt"],
                "end_time": node["finishedAt"] or _UNSET,
            }
            task |= {"state": state} if state else {}
            task |= {"child_tasks": [{"pod_name": child} for child in node["children"]]} if node["children"] else {}
            found.append(task)
        return found

    def _retried(self, group: str, name: str, state: str, after: dict[str, Any]) -> dict[str, Any]:
        """Adds a node with its only attempt, which is returned."""
        node = self._node(f"{group}.{name}", name, state, after)
        return self._node(f"{node['name']}(0)", f"{name}(0)", state, node)

    def _node(self, name: str, displayed: str, state: str, after: dict[str, Any] | None = None) -> dict[str, Any]:
        start = _BEGIN + timedelta(minutes=len(self.nodes))
        end = start + timedelta(minutes=1)
        node: dict[str, Any] = {
            **{"id": node_id(_WORKFLOW, name), "name": name, "displayName": displayed, "phase": state.capitalize()},
            "startedAt": start.isoformat(),
            "finishedAt": end.isoformat() if state in ("SUCCEEDED", "FAILED", "SKIPPED", "OMITTED") else None,
            "children": [],
        }
        self.nodes[node["id"]] = node
        if after is not None:
            after["children"].append(node["id"])
        return node


class RecordedRun:
    """A run as a real Kubeflow Pipelines 2.17 told of it; the attributes and methods are those of `Workflow`.

    Attributes:
        state: The run's.
    """

    def __init__(self, name: str, logs: Mapping[str, str] | None = None) -> None:
        """Reads a recorded run; `logs` by node id."""
        run = json.loads((RECORDED / f"run-{name}.json").read_text())
        self.state: str = run["state"]
        self.history: list[dict[str, Any]] = run["state_history"]
        self._tasks: list[dict[str, Any]] = run["run_details"]["task_details"]
        self.logs = dict(logs or {})
        manifest = RECORDED / f"workflow-{name}.json"
        self._manifest = manifest.read_text() if manifest.exists() else ""

    def manifest(self, compressed: bool = False) -> str:
        return self._manifest

    def task_details(self) -> list[dict[str, Any]]:
        return self._tasks


def one_task(state: str = "SUCCEEDED", **options: Any) -> Workflow:
    """Returns a workflow with the task `plan`; see `Workflow.task`."""
    workflow = Workflow()
    workflow.task("plan", state, **options)
    return workflow
