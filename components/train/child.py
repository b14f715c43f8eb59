"""Runs `luthier train` as a child process: what a laptop does where a cluster starts a Job.

A process of its own leaves nothing of TensorFlow behind and can be killed and started again like a Job's pod.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components import storage
from components.errors import InputError, StepError
from components.telemetry.slots import slot
from components.train.termination import EXIT_AGAIN

_EXIT_INPUT_ERROR = 2
_ENDED = {"flat": " (the curve went flat)", "max_minutes": " (out of time)", "max_steps": ""}


@dataclass(frozen=True)
class FinishedTraining:
    """What a finished training left in its run.json."""

    record: dict[str, Any]

    def summary(self) -> str:
        """One line for a person."""
        best = self.record["best"]
        first, ended = self.record["first_spectral_loss"], _ENDED[self.record["stopped_by"]]
        return f"{self.record['steps']} steps{ended}, spectral loss {first:.1f} -> {best['valid_loss']:.2f} (held out)"

    def facts(self) -> dict[str, Any]:
        """Metadata of the model artifact."""
        names = ("family", "synth", "preset", "steps", "data_fingerprint", "code_fingerprint")
        return {**{name: self.record[name] for name in names}, "valid_loss": self.record["best"]["valid_loss"]}


def train(
    sorted_uri: str, training_uri: str, family: str, synth: str, preset: str, bindings: Sequence[str]
) -> FinishedTraining:
    """Trains in a child process and waits for it. Its output goes where this process's goes.

    Raises:
        InputError: The child found the user's input at fault (exit code 2); the message is its own.
        StepError: It ended otherwise.
    """
    command = [sys.executable, "-m", "components.cli", "train", "--data", sorted_uri, "--out", training_uri]
    command += ["--family", family, "--synth", synth, "--preset", preset]
    for binding in bindings:
        command += ["--set", binding]
    with slot():
        code, last_line = _relay(command)
    if code == _EXIT_INPUT_ERROR:
        raise InputError(last_line.removeprefix("luthier: "))
    if code == EXIT_AGAIN:
        raise StepError(f"training {family}-{synth} was asked to stop: the same run goes on from there")
    if code:
        raise StepError(f"training {family}-{synth} ended with exit code {code}: {last_line}")
    return FinishedTraining(storage.read_json(storage.join(training_uri, "run.json")))


def _relay(command: Sequence[str]) -> tuple[int, str]:
    """Runs a command, passes its output on line by line, and returns its exit code and last line."""
    last_line = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last_line = line.strip() or last_line
    return process.returncode, last_line
