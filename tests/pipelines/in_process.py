"""The pipeline in KFP's local runner with its tasks in this process: twelve starts of Python and TensorFlow less a run.

What is compiled, how tasks are wired and what a task says of itself are as in `luthier run`. A training is
a child process here too.
"""

from __future__ import annotations

import json
import traceback
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl.executor import Executor

from components.core import environment
from pipelines.package import compile_to
from pipelines.run import local, runner
from tests import loggers

_SOURCE_FOLLOWS = '"$program_path/ephemeral_component.py"'


@dataclass(frozen=True)
class Run:
    """How a run ended.

    Attributes:
        succeeded: Whether every task did.
        events: What the tasks said, in order.
    """

    succeeded: bool
    events: list[dict[str, Any]]

    def titles(self, kind: str) -> list[str]:
        """Returns the tasks of which there is an event of a kind: start, done, failed."""
        return [event["title"] for event in self.events if event["kind"] == kind]

    def text(self, title: str) -> str:
        """Returns what a task found, in words."""
        return next(str(event["text"]) for event in self.events if (event["kind"], event["title"]) == ("done", title))

    @property
    def first_failure(self) -> dict[str, Any]:
        """The event of the task that failed first: title, message, and whether the input is at fault."""
        return next(event for event in self.events if event["kind"] == "failed")


def compile_for_local_runs(folder: Path) -> Path:
    """Compiles the pipeline as `luthier run` does, and returns the package."""
    package = compile_to(folder)
    local.adapt_to_local_runner(package)
    return package


class Pipeline:
    """A compiled pipeline, run as often as need be on one workspace. `monkeypatch` undoes what it changes."""

    def __init__(self, package: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._package, self._state, self._events = package, workspace / "kfp", workspace / "kfp" / "events"
        self._state.mkdir(exist_ok=True)
        monkeypatch.setattr("kfp.local.subprocess_task_handler.run_local_subprocess", _execute)
        # It replaces builtins.print, which TensorFlow then cannot find by its name.
        monkeypatch.setattr("kfp.local.logging_utils.indented_print", nullcontext)
        monkeypatch.setenv(environment.EVENTS, str(self._events))
        monkeypatch.setenv(
            environment.SLOTS, f"{self._state / 'slots'}:1"
        )  # gin and TensorFlow are one for all threads

    def run(self, arguments: dict[str, Any]) -> Run:
        """Runs the pipeline; a task that fails makes no exception."""
        self._events.write_text("")
        try:
            # Each of KFP's threads restores the root logger to what it found, which may be another thread's.
            with loggers.restored("", *loggers.OURS):
                runner.run(self._package, arguments, self._state)
        except RuntimeError:  # KFP's: its first line names the task
            succeeded = False
        else:
            succeeded = True
        return Run(succeeded, [json.loads(line) for line in self._events.read_text().splitlines()])


def _execute(full_command: list[str], env_vars: dict[str, str] | None = None) -> int:
    """Stands for KFP's run_local_subprocess: executes a component's function, and returns an exit code."""
    assert not env_vars
    place = next(place for place, part in enumerate(full_command) if _SOURCE_FOLLOWS in part) + 1
    source, options = full_command[place], full_command[place + 1 :]
    given = dict(zip(options[::2], options[1::2], strict=True))
    component: dict[str, Any] = {"__name__": "ephemeral_component"}
    exec(compile(source, "ephemeral_component.py", "exec", dont_inherit=True), component)
    function = component[given["--function_to_execute"]]
    try:
        Executor(json.loads(given["--executor_input"]), function).execute()
    except BaseException:  # as a process would, a task ends with an exit code, whatever it was
        traceback.print_exc()
        return 1
    return 0
