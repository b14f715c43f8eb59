"""The state of a training and the rules that go by it: when it has ended, when it has diverged, how fast it is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from components.config.settings import TrainSettings
from components.core.errors import StepError
from components.core.text import counted

MAX_ROLLBACKS = 2


@dataclass
class State:
    """The position of a training: the numbers that a checkpoint holds beside the weights.

    Batches, crops and noise are functions of the seed and the step, so these two are the position in the data and the
    state of all randomness.

    Attributes:
        step: Gradient steps done.
        seed: Of the training.
        examples: Examples trained on: `step` times the batch size.
        seconds: Time of training, validations and checkpoints, over all processes.
        waited_s: How much of that was waiting for batches.
        validated_step: The step of the last validation; -1 before the first.
        first_loss: Spectral loss of the validation before the first step.
        last_loss: Of the last validation.
        best_loss: The lowest one.
        best_step: The step it was found at.
        mark: The validation loss at the last improvement that counts.
        stale: Validations since then.
        restarts: How often a process resumed this training.
        rollbacks: What was undone because the training diverged: step, to_step, reason, learning_rate (from then on).
    """

    step: int = 0
    seed: int = 0
    examples: int = 0
    seconds: float = 0.0
    waited_s: float = 0.0
    validated_step: int = -1
    first_loss: float = math.nan
    last_loss: float = math.nan
    best_loss: float = math.inf
    best_step: int = 0
    mark: float = math.inf
    stale: int = 0
    restarts: int = 0
    rollbacks: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields; `State(**...)` of them is an equal state."""
        return asdict(self)

    def validated(self, loss: float, min_improvement: float) -> bool:
        """Records a validation at the present step.

        Args:
            loss: The validation loss.
            min_improvement: The share of the loss by which it must fall to count against `stale`.

        Returns:
            Whether it is the best so far.
        """
        self.validated_step, self.last_loss = self.step, loss
        if math.isnan(self.first_loss):
            self.first_loss = loss
        if loss < self.mark * (1 - min_improvement):
            self.mark, self.stale = loss, 0
        else:
            self.stale += 1
        if loss >= self.best_loss:
            return False
        self.best_loss, self.best_step = loss, self.step
        return True


@dataclass(frozen=True)
class StopReason:
    """Why a training has ended.

    Attributes:
        kind: Which limit it reached.
        text: The same as a sentence, with the numbers.
    """

    kind: Literal["flat", "max_steps", "max_minutes"]
    text: str


def stop_reason(state: State, settings: TrainSettings, minutes: float) -> StopReason | None:
    """Returns why a training has ended; None while it has not.

    Args:
        state: Its state.
        settings: Its limits.
        minutes: Its time so far, over all processes.
    """
    if state.step >= settings.max_steps:
        return StopReason("max_steps", f"train.max_steps = {settings.max_steps}")
    if 0 < settings.patience <= state.stale:
        return StopReason(
            "flat",
            f"{counted(state.stale, 'validation')} without an improvement of {settings.min_improvement:.2%}: "
            f"the best is {state.best_loss:.4g} at step {state.best_step} (train.patience = {settings.patience})",
        )
    if 0 < settings.max_minutes <= minutes:
        return StopReason("max_minutes", f"train.max_minutes = {settings.max_minutes:g}")
    return None


@dataclass(frozen=True)
class Interval:
    """The steps since the last line of the metrics log, as means over them.

    Attributes:
        steps: How many steps.
        loss: Spectral loss.
        grad_norm: Length of the gradient before clipping.
        finite: Whether every loss and every gradient was finite.
    """

    steps: int
    loss: float
    grad_norm: float
    finite: bool


class Diverged(Exception):  # noqa: N818 (not an error of its own: the loop rolls back)
    """A training has diverged; the message says how."""


def check_interval(interval: Interval | None, untrained_loss: float, factor: float) -> None:
    """Raises Diverged if the loss of some steps is not finite or too high.

    Args:
        interval: Their losses and gradients.
        untrained_loss: The validation loss before the first step.
        factor: How many times that is too high; see TrainSettings.divergence_factor.
    """
    if interval and not interval.finite:
        raise Diverged("a loss or a gradient is not a number")
    if interval and interval.loss > factor * untrained_loss:
        limit = factor * untrained_loss
        raise Diverged(f"the loss is {interval.loss:.4g}, above {limit:.4g}, {factor:g} times the untrained model's")


def check_validation(loss: float, best_loss: float, factor: float) -> None:
    """Raises Diverged if a validation loss is not finite, or more than `factor` times the best one."""
    if not math.isfinite(loss):
        raise Diverged("the validation loss is not a number")
    if loss > factor * best_loss:
        limit = factor * best_loss
        raise Diverged(f"the validation loss is {loss:.4g}, above {limit:.4g}, {factor:g} times the best")


def divergence_error(step: int, reason: str, rollbacks: list[dict[str, Any]], learning_rate: float) -> StepError:
    """Returns the error that ends a training which diverged once too often, with all its rollbacks in one line."""
    before = "; ".join(f"at step {each['step']}: {each['reason']}" for each in rollbacks)
    return StepError(
        f"the training diverged at step {step} ({reason}), after it was rolled back to a checkpoint with half the "
        f"learning rate {counted(len(rollbacks), 'time')} ({before}); try a lower train.learning_rate, it was "
        f"{learning_rate:.2g} in the end"
    )


@dataclass
class StepTiming:
    """The time of the steps since the last line of the metrics log, in this process.

    Attributes:
        steps: How many.
        seconds: Their time together, without the validations and checkpoints between them.
        waited_s: How much of that was waiting for batches.
    """

    steps: int = 0
    seconds: float = 0.0
    waited_s: float = 0.0

    def add(self, seconds: float, waited_s: float) -> None:
        """Adds a step."""
        self.steps += 1
        self.seconds += seconds
        self.waited_s += waited_s

    def as_metrics(self) -> dict[str, float]:
        """Returns the fields for a line of the metrics log; none before the first step."""
        return {"steps_per_s": self.steps / self.seconds, "input_wait_s": self.waited_s} if self.steps else {}
