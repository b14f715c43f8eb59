"""A run's nodes as the API of Kubeflow Pipelines 2.17 tells them: those of the Argo workflow that it compiles a run to.

Names, groups and children follow backend/src/v2/compiler/argocompiler and backend/src/common/util/workflow.go there: a
node's children are named by Argo's id, the node itself by its pod's name, and what comes after a pod is its child too.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

_WORKFLOW = "train-instruments-x7k2p"
_TIME = "2026-03-01T10:{:02d}:05Z"
_UNSET = "0001-01-01T00:00:00Z"


class Workflow:
    """Nodes, and the log of each pod."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.logs: dict[str, str] = {}
        self._last = self._node(_WORKFLOW, "root", "RUNNING")

    def task(
        self, name: str, state: str = "SUCCEEDED", cached: bool = False, attempts: Sequence[str] = (), log: str = ""
    ) -> None:
        """Adds a task with its driver, group and executor.

        Args:
            name: The task's.
            state: The task's.
            cached: Whether the executor is skipped.
            attempts: The states of the executor's attempts, where the task is retried.
            log: What its last pod wrote.
        """
        driver = self._node(f"{name}-driver", "system-container-driver", "SUCCEEDED", after=self._last)
        group = self._node(name, "system-container-executor", state, after=driver)
        executor = self._node("executor", "system-container-impl", "SKIPPED" if cached else state, after=group)
        last = executor
        for number, outcome in enumerate(attempts):
            last = self._node(f"executor({number})", "retry-system-container-impl", outcome, after=executor)
            self.logs[last["pod_name"]] = f"attempt {number}: RuntimeError: not this one\n"
        self.logs[last["pod_name"]] = log
        self._last = last

    def failed_driver(self, name: str, log: str) -> None:
        """Adds a task that never began, because its driver failed."""
        driver = self._node(f"{name}-driver", "system-container-driver", "FAILED", after=self._last)
        self._node(name, "system-container-executor", "RUNTIME_STATE_UNSPECIFIED", after=driver)
        self.logs[driver["pod_name"]] = log

    def loop(self, name: str, item: int, state: str) -> None:
        """Adds the groups of a loop's item; the tasks that follow stand in it."""
        driver = self._node(f"{name}-driver", "system-dag-driver", "SUCCEEDED", after=self._last)
        group = self._node(name, f"comp-{name}", state, after=driver)
        iterations = self._node("iteration-iterations", f"comp-{name}-iteration", state, after=group)
        self._last = self._node(f"iteration-item({item}:{item})", f"comp-{name}", state, after=iterations)

    def _node(self, name: str, template: str, state: str, after: dict[str, Any] | None = None) -> dict[str, Any]:
        number = f"{zlib.crc32(f'{len(self.nodes)} {name}'.encode()):010d}"
        over = state in ("SUCCEEDED", "FAILED", "SKIPPED")
        pod = _WORKFLOW if not self.nodes else f"{_WORKFLOW}-{template}-{number}"
        start, end = _TIME.format(len(self.nodes)), _TIME.format(len(self.nodes) + 1)
        node: dict[str, Any] = {
            **{"run_id": "", "task_id": f"task-{len(self.nodes)}", "display_name": name, "pod_name": pod},
            **{"state": state, "create_time": start, "start_time": start, "end_time": end if over else _UNSET},
            "child_tasks": [],
        }
        self.nodes.append(node)
        if after is not None:
            after["child_tasks"].append({"pod_name": f"{_WORKFLOW}-{number}"})
        return node


def one_task(state: str = "SUCCEEDED", **options: Any) -> Workflow:
    """Returns a workflow with the task `plan`; see `Workflow.task`."""
    workflow = Workflow()
    workflow.task("plan", state, **options)
    return workflow
