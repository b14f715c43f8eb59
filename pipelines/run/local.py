"""Runs the pipeline on this machine: starts KFP's local runner as a process, shows its events and keeps its log."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from components.core import environment
from components.core.errors import InputError, StepError
from components.core.locks import LockHeld, file_lock
from components.core.redaction import write_private
from pipelines.package import REGISTER_TASK, SORT_LOOP, TRAIN_LOOP, compile_to
from pipelines.run.display import Display

_POLL_S = 0.1


def run(
    arguments: dict[str, Any], state_path: Path, parallel_trainings: int, secrets: Mapping[str, str] | None = None
) -> Display:
    """Compiles the pipeline and executes it on this machine, showing its progress.

    Args:
        arguments: The pipeline's parameters.
        state_path: Local directory for logs, KFP's outputs and the lock; in the workspace where that is local.
        parallel_trainings: How many heavy tasks run at the same time.
        secrets: Environment variables of the tasks. Unlike arguments, they are in no file, log or list of processes.

    Returns:
        The display, with what the tasks found.

    Raises:
        InputError: A task found the input at fault, or another run is using the workspace.
        StepError: A task failed otherwise.
    """
    state_path.mkdir(parents=True, exist_ok=True)
    state_path.chmod(0o700)  # the logs have the arguments of every task
    with _workspace_lock(state_path):
        shutil.rmtree(state_path / "outputs", ignore_errors=True)  # of the run before
        log_file = state_path / "logs" / f"{time.strftime('%Y%m%d-%H%M%S')}.log"
        events = log_file.with_suffix(".events")
        log_file.parent.mkdir(parents=True, exist_ok=True)
        for left in log_file.parent.glob("*.events"):  # of a run that was killed
            left.unlink()
        package = compile_to(state_path / "package")
        adapt_to_local_runner(package)
        request = {"package": str(package), "arguments": arguments, "state": str(state_path)}
        write_private(state_path / "request.json", json.dumps(request, indent=1))
        with Display() as display:
            code = _execute(state_path / "request.json", log_file, events, parallel_trainings, display, secrets or {})
    _raise_failure(code, display, log_file)
    return display


@contextmanager
def _workspace_lock(state_path: Path) -> Iterator[None]:
    """Holds the workspace's lock, which the kernel releases when the process ends. InputError if another run has it."""
    with ExitStack() as held:
        try:
            held.enter_context(file_lock(state_path / "lock", wait_s=0))
        except LockHeld as error:
            raise InputError(
                f"another run (process {error.holder}) is using {state_path}: wait for it or use another --workspace"
            ) from None
        yield


def _execute(
    request: Path, log_file: Path, events: Path, parallel_trainings: int, display: Display, secrets: Mapping[str, str]
) -> int:
    """Runs the runner's process to its end, passing its events to the display. Returns its exit code."""
    threads = max(1, (os.cpu_count() or 1) // parallel_trainings)
    variables = {
        **os.environ,
        environment.EVENTS: str(events),
        environment.RUN_PID: str(os.getpid()),
        environment.SLOTS: f"{request.parent / 'slots'}:{parallel_trainings}",
        environment.THREADS: environment.get(environment.THREADS, str(threads)),
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1",  # also for the tasks, which KFP starts with -m
        **secrets,
    }
    for file in (log_file, events):
        write_private(file, "")
    with log_file.open("wb") as log, events.open() as stream:
        command = [sys.executable, "-P", "-m", "pipelines.run.runner", str(request)]
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=variables,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                _follow(stream, display)
                time.sleep(_POLL_S)
        finally:
            _end_group(process)
        _follow(stream, display)
    events.unlink()
    return process.returncode


def adapt_to_local_runner(package: Path) -> None:
    """Removes from a package what a run on one machine has no use for.

    The retries: no pod is lost here, and an error shows at once. The loop over shares to sort, which is always empty
    here: KFP's local runner (2.17) finds the items of a loop only in an output named Output. The conditions that save
    the starts of pods: that runner evaluates none of a loop.
    """
    documents = list(yaml.safe_load_all(package.read_text()))
    root = documents[0]["root"]["dag"]["tasks"]
    del root[SORT_LOOP]
    root[TRAIN_LOOP]["dependentTasks"].remove(SORT_LOOP)
    for name in (TRAIN_LOOP, REGISTER_TASK):
        del root[name]["triggerPolicy"]
    for component in [documents[0]["root"], *documents[0]["components"].values()]:
        for task in component.get("dag", {}).get("tasks", {}).values():
            task.pop("retryPolicy", None)
    package.write_text(yaml.safe_dump_all(documents, sort_keys=False))


def _follow(stream: Any, display: Display) -> None:
    """Shows the complete lines since the last call; an incomplete line is read again in the next call."""
    while True:
        position = stream.tell()
        line = stream.readline()
        if not line.endswith("\n"):
            stream.seek(position)
            return
        display.show(json.loads(line))


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Terminates what is left of the runner and its tasks, for instance after Ctrl-C."""
    for kill in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, kill)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _raise_failure(code: int, display: Display, log_file: Path) -> None:
    if display.failures:
        first = display.failures[0]
        text = f"{first['title']}: {first['message']} (log: {log_file})"
        raise InputError(text) if first["input_fault"] else StepError(text)
    if code:
        raise StepError(f"the pipeline ended with exit code {code} and no task reported an error: see {log_file}")
