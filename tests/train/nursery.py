"""Trainings as processes that can be killed, without waiting for TensorFlow's import each time: they are forked.

`python -m tests.train.nursery` imports it once. For each JSON line on stdin it forks a process, which runs `luthier` as
from a shell, and answers with its pid and then, when it has ended, with its exit code (minus the signal's number).
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.waiting import wait_until


class Nursery:
    """The tests' side. Use as a context manager; the trainings run one at a time."""

    def __init__(self, stderr: Path) -> None:
        self._stderr = stderr
        self.pid = 0

    def __enter__(self) -> Nursery:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.train.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        return self

    def __exit__(self, *error: object) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        self._process.kill()
        self._process.communicate()

    def start(
        self, *arguments: object, file_bytes: int | None = None, before: str | None = None, **environment: str
    ) -> int:
        """Runs `luthier ARGUMENTS...` and returns its pid.

        Args:
            *arguments: The command line.
            file_bytes: Files cannot become larger than this, as on a full disk.
            before: A function of tests.train.mishaps to call in the process first.
            **environment: Further environment variables.
        """
        return self._start(
            arguments=[str(argument) for argument in arguments],
            file_bytes=file_bytes,
            before=before,
            environment=environment,
        )

    def start_function(self, function: str, *arguments: object) -> int:
        """Calls "module:function" with texts as arguments in a process of its own, and returns its pid."""
        return self._start(function=function, arguments=[str(argument) for argument in arguments])

    def _start(self, **request: Any) -> int:
        if self.pid:  # left over from a test that failed
            self.kill()
        self._stderr.write_bytes(b"")
        self._ask({"stderr": str(self._stderr), **request})
        self.pid = int(self._answer())
        return self.pid

    def kill(self) -> None:
        """Kills the training that runs."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Returns the exit code; minus the number of the signal that ended it."""
        code = int(self._answer())
        self.pid = 0
        return code

    def wait_until(self, condition: Callable[[], bool], seconds: float = 300.0) -> None:
        """Waits until something holds that the running training is to bring about."""

        def holds() -> bool:
            runs = Path(f"/proc/{self.pid}").exists()
            if condition():
                return True
            assert runs, f"the training has ended: {self.stderr()}"
            return False

        wait_until(holds, "what the training is to bring about", seconds, pause_s=0.005)

    def run(self, *arguments: object, **limits: Any) -> tuple[int, str]:
        """Runs `luthier ARGUMENTS...` to its end. Returns the exit code and stderr."""
        self.start(*arguments, **limits)
        return self.wait(), self.stderr()

    def run_function(self, function: str, *arguments: object) -> tuple[int, str]:
        """Calls "module:function" to its end. Returns the exit code and stderr."""
        self.start_function(function, *arguments)
        return self.wait(), self.stderr()

    def stderr(self) -> str:
        return self._stderr.read_text()

    def _ask(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def _child(request: dict[str, Any]) -> None:
    from components import cli
    from tests.train import mishaps

    stderr = os.open(request["stderr"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(stderr, 2)
    os.dup2(stderr, 1)
    if "function" in request:
        module, _, name = request["function"].partition(":")
        getattr(importlib.import_module(module), name)(*request["arguments"])
        return
    os.environ.update(request["environment"])
    if request["file_bytes"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_bytes"], request["file_bytes"]))
    if request["before"]:
        getattr(mishaps, request["before"])()
    sys.argv = ["luthier", *request["arguments"]]
    cli.main()


def _serve() -> None:
    os.environ["LUTHIER_XLA"] = "0"  # XLA compiles for ten seconds in every process; the tests need no speed
    # This is what takes the time; and what TensorFlow and ddsp would import on first use.
    import librosa
    import tensorboard.summary

    import components.train.side_by_side  # noqa: F401

    librosa.A_weighting(np.array([100.0]))
    assert tensorboard.summary.v2
    gc.freeze()  # or a child's first collection writes to all pages, which are copied
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                _child(json.loads(line))
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve()
