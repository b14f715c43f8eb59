"""Trains in a child process, `luthier train-and-evaluate`: what a pipeline on a laptop does instead of creating a Job.

TensorFlow's memory is freed when the child ends, and the child can be killed and started again like a Job's pod.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from components.artifacts.run_record import RunRecord
from components.artifacts.training_dir import TrainingDir
from components.core.errors import EXIT_AGAIN, EXIT_INPUT_ERROR, InputError, StepError
from components.launch.request import TrainingRequest
from components.telemetry.slots import slot


def train(request: TrainingRequest) -> RunRecord:
    """Trains in a child process, prints its output as it comes, and returns the run record.

    Raises:
        InputError: The child found an error in the user's input (exit code 2); the message is the child's.
        StepError: The child failed or was stopped.
    """
    with slot():
        code, last_line = _run([sys.executable, "-P", "-m", "components.cli", *request.arguments()])
    if code == EXIT_INPUT_ERROR:
        raise InputError(last_line.removeprefix("luthier: "))
    if code == EXIT_AGAIN:
        raise StepError(f"training {request.name} was stopped: the same run continues it")
    if code:
        raise StepError(f"training {request.name} ended with exit code {code}: {last_line}")
    return RunRecord.read(TrainingDir(request.out_uri).record_uri)


def _run(command: Sequence[str]) -> tuple[int, str]:
    """Runs a command, prints its output line by line, and returns its exit code and last line."""
    last_line = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last_line = line.strip() or last_line
    return process.returncode, last_line
