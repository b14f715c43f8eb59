"""A local run from outside: one at a time in a workspace, KFP's runner as a process, events followed, log kept."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from components.core import environment
from components.core.errors import InputError, StepError
from components.core.locks import LockHeld, file_lock
from pipelines.package import compile_to
from pipelines.run.display import Display

_POLL_S = 0.1


def run(arguments: dict[str, Any], state: Path, parallel_trainings: int) -> Display:
    """Compiles the pipeline and executes it here, showing its progress.

    Args:
        arguments: The pipeline's parameters.
        state: Local folder for logs, KFP's cache and the lock; in the workspace where that is local.
        parallel_trainings: How many heavy tasks run at once.

    Returns:
        The display, which knows what was reused.

    Raises:
        InputError: A task found the input at fault, or another run is using the workspace.
        StepError: A task failed otherwise.
    """
    state.mkdir(parents=True, exist_ok=True)
    with _only_one(state):
        shutil.rmtree(state / "outputs", ignore_errors=True)  # KFP's scratch of the run before
        log_file = state / "logs" / f"{time.strftime('%Y%m%d-%H%M%S')}.log"
        events = log_file.with_suffix(".events")
        log_file.parent.mkdir(parents=True, exist_ok=True)
        for left in log_file.parent.glob("*.events"):  # by a run that was killed
            left.unlink()
        package = compile_to(state / "package")
        remove_retries(package)
        request = {"package": str(package), "arguments": arguments, "state": str(state)}
        (state / "request.json").write_text(json.dumps(request, indent=1))
        with Display() as display:
            code = _execute(state / "request.json", log_file, events, parallel_trainings, display)
    _raise_failure(code, display, log_file)
    return display


@contextmanager
def _only_one(state: Path) -> Iterator[None]:
    """Holds the workspace's lock. The kernel frees it when this process dies, however it dies."""
    with ExitStack() as held:
        try:
            held.enter_context(file_lock(state / "lock", wait_s=0))
        except LockHeld as error:
            raise InputError(
                f"another run (process {error.holder}) is using {state}: wait for it or use another --workspace"
            ) from None
        yield


def _execute(request: Path, log_file: Path, events: Path, parallel_trainings: int, display: Display) -> int:
    """Runs the runner's process to its end, passing its events to the display. Returns its exit code."""
    threads = max(1, (os.cpu_count() or 1) // parallel_trainings)
    variables = {
        **os.environ,
        environment.EVENTS: str(events),
        environment.RUN_PID: str(os.getpid()),
        environment.SLOTS: f"{request.parent / 'slots'}:{parallel_trainings}",
        environment.THREADS: environment.get(environment.THREADS, str(threads)),
        "PYTHONUNBUFFERED": "1",
    }
    events.touch()
    with log_file.open("wb") as log, events.open() as stream:
        command = [sys.executable, "-m", "pipelines.run.runner", str(request)]
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


def remove_retries(package: Path) -> None:
    """Takes the retries out of a package: no pod is lost here, and nobody waits for minutes to read a mistake."""
    documents = list(yaml.safe_load_all(package.read_text()))
    for component in [documents[0]["root"], *documents[0]["components"].values()]:
        for task in component.get("dag", {}).get("tasks", {}).values():
            task.pop("retryPolicy", None)
    package.write_text(yaml.safe_dump_all(documents, sort_keys=False))


def _follow(stream: Any, display: Display) -> None:
    """Shows the whole lines that came since the last time; a line still being written waits for its end."""
    while True:
        position = stream.tell()
        line = stream.readline()
        if not line.endswith("\n"):
            stream.seek(position)
            return
        display.show(json.loads(line))


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of the runner and its tasks, for instance after Ctrl-C."""
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
        raise StepError(f"the pipeline ended with exit code {code} and no task said why: see {log_file}")
