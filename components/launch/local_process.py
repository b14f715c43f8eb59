"""Runs `luthier train` as a child process: what a laptop does where a cluster starts a Job.

A process of its own leaves nothing of TensorFlow behind and can be killed and started again like a Job's pod.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from components import storage
from components.core.errors import EXIT_AGAIN, EXIT_INPUT_ERROR, InputError, StepError
from components.launch.finished import FinishedTraining
from components.launch.training import Training
from components.telemetry.slots import slot


def train(training: Training) -> FinishedTraining:
    """Trains in a child process and waits for it. Its output goes where this process's goes.

    Raises:
        InputError: The child found the user's input at fault (exit code 2); the message is its own.
        StepError: It ended otherwise.
    """
    with slot():
        code, last_line = _relay([sys.executable, "-m", "components.cli", *training.arguments()])
    if code == EXIT_INPUT_ERROR:
        raise InputError(last_line.removeprefix("luthier: "))
    if code == EXIT_AGAIN:
        raise StepError(f"training {training.name} was asked to stop: the same run goes on from there")
    if code:
        raise StepError(f"training {training.name} ended with exit code {code}: {last_line}")
    return FinishedTraining(storage.read_json(storage.join(training.out_uri, "run.json")))


def _relay(command: Sequence[str]) -> tuple[int, str]:
    """Runs a command, passes its output on line by line, and returns its exit code and last line."""
    last_line = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last_line = line.strip() or last_line
    return process.returncode, last_line
