"""The state of a training, which limit has ended it, and the numbers of its last steps."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from components.config.settings import TrainSettings
from components.core.errors import InputError
from components.core.text import counted

_MANY_NOTES = 32
_NOTE_ERROR = 0.12  # share by which the loss of a note swings from one validation to the next


@dataclass
class State:
    """The position of a training: the numbers that a checkpoint holds beside the weights.

    Batches, crops and noise are functions of the seed and the step, so these two are the position in the data and the
    state of all randomness.

    Attributes:
        step: Gradient steps done.
        seed: Of this attempt.
        examples: Examples trained on: `step` times the batch size.
        seconds: Time of training, validations and checkpoints, over all processes.
        waited_s: How much of that was waiting for batches.
        validated_step: The step of the last validation; -1 before the first.
        first_loss: Spectral loss of the validation before the first step.
        last_loss: Of the last validation.
        best_loss: That of the weights that the model gets; see `validated`.
        best_step: The step it was found at.
        lowest_loss: The lowest one.
        mark: The validation loss at the last improvement that counts.
        stale: Validations since then.
        restarts: How often a process resumed this training.
        rollbacks: What was undone because the training diverged: step, to_step, reason, learning_rate (from then on).
        unheard: Validations in a row in which the model was silent or had no pitch.
        attempts: The attempts before this one, each given up because of that: step, seed, reason.
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
    lowest_loss: float = math.inf
    mark: float = math.inf
    stale: int = 0
    restarts: int = 0
    rollbacks: list[dict[str, Any]] = field(default_factory=list)
    unheard: int = 0
    attempts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def compared_loss(self) -> float:
        """The validation loss that the next one is compared with: the best, or that before the first step."""
        return self.best_loss if math.isfinite(self.best_loss) else self.first_loss

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields; `State.of` them is an equal state."""
        return asdict(self)

    @classmethod
    def of(cls, values: dict[str, Any]) -> State:
        """Returns the state in a checkpoint; InputError where it has fields of another release."""
        unknown = sorted(values.keys() - {each.name for each in fields(cls)})
        if unknown:
            raise InputError(
                f"the checkpoint of step {values.get('step')} is of another release of Luthier: its state has "
                f"'{unknown[0]}', which this one does not know; continue with that release, or start again with "
                "`luthier train --restart`"
            )
        return cls(**values)

    def validated(self, loss: float, min_improvement: float, notes: int = _MANY_NOTES, candidate: bool = True) -> bool:
        """Records a validation at the present step.

        The loss of one note swings by a tenth between two validations of a training that goes well, so which is lowest
        is chance. With few notes, later weights are preferred as long as their loss is within the standard error of the
        lowest one.

        Args:
            loss: The validation loss.
            min_improvement: The share of the loss by which it must fall to count against `stale`.
            notes: How many notes it is the mean of.
            candidate: Whether the present weights may be the best ones; if not, the next validation replaces them.

        Returns:
            Whether the model is to get the present weights.
        """
        self.validated_step, self.last_loss = self.step, loss
        if math.isnan(self.first_loss):
            self.first_loss = loss
        if not candidate:
            self.best_loss, self.best_step = loss, self.step
            return True
        if loss < self.mark * (1 - min_improvement):
            self.mark, self.stale = loss, 0
        else:
            self.stale += 1
        error = _NOTE_ERROR / math.sqrt(notes) if notes < _MANY_NOTES else 0.0
        if loss >= self.lowest_loss * (1 + error):
            return False
        self.lowest_loss = min(self.lowest_loss, loss)
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
