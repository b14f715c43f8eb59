"""Trainings in milliseconds: the real loop and checkpoints, with a trainer in NumPy and notes of a quarter of a second.

The nursery can run `main` in a process of its own, which can be killed like a real training.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from components.config.settings import TrainSettings
from components.train.checkpoints import Arrays, Checkpoints, Weights
from components.train.dataset import Batch, Dataset
from components.train.loop import Loop
from components.train.metrics import Metrics
from components.train.outputs import Outputs
from components.train.state import Interval
from components.train.termination import Termination

SETTINGS = TrainSettings(
    max_steps=30,
    batch_size=2,
    crop_samples=2048,
    learning_rate=0.05,
    decay_rate=0.5,
    decay_steps=30,
    log_every_steps=10,
    eval_every_steps=15,
    checkpoint_every_s=0.0,
    sound_every_steps=30,
)
SELDOM = replace(SETTINGS, checkpoint_every_s=1000.0)


class KilledError(Exception):
    """Stands for SIGKILL: nothing of the loop runs after it."""


class NumpyTrainer:
    """Gradient descent with momentum on the mean of the batches' audio; the loss begins at about 20.

    Its numbers depend on the batch, the step, the order of the steps and all variables, so that a training which
    resumes with anything missing ends with other numbers.

    Attributes:
        calls: The names of the methods that were called, in order.
        on_call: Called with the name of a method before it runs; may raise, or sleep.
    """

    traces = 1

    def __init__(
        self,
        settings: TrainSettings = SETTINGS,
        nan_steps: dict[int, int] | None = None,
        on_call: Callable[[str], None] = lambda name: None,
        replicas: int = 1,
        workers: int = 1,
        average: Callable[[Any], Any] = lambda message: message,
        size: int = 5,
        deaf_seeds: Iterable[int] = (),
    ) -> None:
        """Initializes the weights.

        Args:
            settings: Learning rate and seed.
            nan_steps: How many times each of some steps (from 0) has a batch that is not a number.
            on_call: See above.
            replicas: How many notes a validation takes at once.
            workers: How many trainers train together.
            average: Returns the mean of all workers' messages of a step.
            size: How many weights there are.
            deaf_seeds: Seeds with which a validation hears no pitch.
        """
        self.replicas, self.workers, self.calls, self.on_call = replicas, workers, list[str](), on_call
        self.validated_groups: list[int] = []
        self._settings, self._nan_steps, self._average = settings, dict(nan_steps or {}), average
        self._seed, self.deaf_seeds = settings.seed, set(deaf_seeds)
        self._weights = np.linspace(19, 21, size) + settings.seed
        self._velocity, self._sums, self._scale = np.zeros(size), np.zeros(4), 1.0

    def load(self, batch: Batch, step: int) -> tuple[float, int]:
        if self._nan_steps.get(step, 0):
            self._nan_steps[step] -= 1
            return np.nan, step
        return float(batch.audio.mean(dtype=np.float64)), step

    def step(self, loaded: tuple[float, int], message: Any = None) -> Any:
        self._called("step")
        audio, step = loaded
        noise = np.random.default_rng([self._seed, step]).normal(0, 0.01, len(self._weights))
        gradient = np.sign(self._weights) + audio + noise
        self._sums += [float(np.abs(self._weights).mean() + audio), float(np.linalg.norm(gradient)), 1.0, 0.0]
        self._sums[3] += not np.isfinite(gradient).all()
        self._velocity = 0.9 * self._velocity + gradient
        self._weights = self._weights - self.learning_rate(step) * self._velocity
        return None if message is None else self._average(message)

    def validate(self, notes: Batch) -> tuple[Any, Any]:
        self._called("validate")
        self.validated_groups.append(len(notes))
        losses = np.abs(self._weights).mean() + notes.audio.mean(axis=1)
        heard = np.array([-20.0, -20.0, 0.9, 0.0 if self._seed in self.deaf_seeds else 0.9])
        return losses, np.tile(heard, [len(notes), 1]), notes.audio[0]

    def begin_again(self, seed: int) -> None:
        self._called("begin_again")
        self._seed, self._velocity, self._sums = seed, np.zeros_like(self._velocity), np.zeros(4)
        self._weights = np.linspace(19, 21, len(self._weights)) + seed

    def interval(self) -> Interval | None:
        loss, norm, steps, bad = self._sums.tolist()
        return Interval(int(steps), loss / steps, norm / steps, bad == 0) if steps else None

    def new_interval(self) -> None:
        self._sums = np.zeros(4)

    def learning_rate(self, step: int) -> float:
        settings = self._settings
        return settings.learning_rate * settings.decay_rate ** (step / settings.decay_steps) * self._scale

    def halve_learning_rate(self, times: int) -> None:
        self._scale = 0.5**times

    def weights(self) -> Weights:
        self._called("weights")
        return [self._weights.copy()]

    def arrays(self) -> Arrays:
        self._called("arrays")
        return {"weights": self._weights.copy(), "velocity": self._velocity.copy(), "sums": self._sums.copy()}

    def restore(self, arrays: Arrays) -> None:
        self._called("restore")
        self._weights, self._velocity, self._sums = (arrays[name].copy() for name in ("weights", "velocity", "sums"))

    def memory_bytes(self) -> dict[str, int]:
        return {}

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.on_call(name)


class RecordedSummaries:
    """Summaries that are kept in memory."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.sounds: dict[int, dict[str, Any]] = {}

    def add(self, line: dict[str, Any]) -> None:
        self.lines.append(line)

    def add_audio(self, step: int, sounds: dict[str, Any]) -> None:
        self.sounds[step] = sounds

    def flush(self) -> None:
        pass


class SilentBar:
    """A progress bar that shows nothing."""

    def __init__(self) -> None:
        self.done, self.notes = 0.0, list[str]()

    def advance(self, steps: float = 1, note: str | None = None) -> None:
        self.done += steps
        self.notes.append(note or "")

    def note(self, text: str) -> None:
        self.notes.append(text)

    def skip(self, steps: float, note: str | None = None) -> None:
        self.advance(steps, note)

    def ends_within(self, seconds: float) -> None:
        self.notes.append(f"ends within {seconds:.0f} s")


def dataset(train: int = 3, valid: int = 1) -> Dataset:
    """Returns notes of noise, a quarter of a second long."""
    random = np.random.default_rng(0)

    def notes(count: int) -> Batch:
        silent = Batch.silence(count, 4096)
        return replace(silent, audio=random.normal(0, 0.5, silent.audio.shape).astype(np.float32))

    return Dataset(notes(train), notes(valid), "noise")


def make_loop(
    out: Path,
    settings: TrainSettings = SETTINGS,
    trainer: NumpyTrainer | None = None,
    termination: Termination | None = None,
    read_only: bool = False,
    notes: Dataset | None = None,
    local_dir: Path | None = None,
    summaries: RecordedSummaries | None = None,
) -> Loop:
    """Returns the loop of a training in a directory, restored from its newest checkpoint.

    Args:
        out: The training directory.
        settings: Of the training.
        trainer: A new NumpyTrainer by default.
        termination: Never requested by default.
        read_only: Another worker writes the checkpoints.
        notes: Noise by default.
        local_dir: For the metrics log; `out` by default.
        summaries: Of the training.
    """
    out.mkdir(exist_ok=True)
    checkpoints = Checkpoints(str(out), read_only=read_only)
    metrics = Metrics("string", f"numpy-{out.name}", settings)
    outputs = Outputs(local_dir or out, checkpoints, metrics, summaries or RecordedSummaries(), lambda: None)
    return Loop(
        trainer or NumpyTrainer(settings),
        notes or dataset(),
        settings,
        outputs,
        checkpoints.newest(),
        termination or Termination(),
    )


def run_to_end(out: Path, settings: TrainSettings = SETTINGS, **options: Any) -> None:
    """Trains in a directory; the options of `make_loop`."""
    make_loop(out, settings, **options).run(SilentBar())


def main(out: str, max_steps: str, step_s: str, held_at: str = "inf") -> None:
    """Trains in a process of its own, which exits as `luthier train` does; every call takes some seconds.

    The file "started" is there as soon as a signal is caught and a restored checkpoint counts. At the step `held_at` it
    waits for a signal.
    """
    settings = replace(SETTINGS, max_steps=int(max_steps), log_every_steps=3, checkpoint_every_s=0.01)
    termination, loop = Termination(), None

    def on_call(name: str) -> None:
        time.sleep(float(step_s))
        while loop and loop.state.step >= float(held_at) and not termination.requested:
            time.sleep(float(step_s))

    trainer = NumpyTrainer(settings, on_call=on_call)
    with termination.caught(), termination.polled():
        loop = make_loop(Path(out), settings, trainer, termination)
        Path(out, "started").touch()
        loop.run(SilentBar())
