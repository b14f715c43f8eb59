"""The state of a training and the rules that go by it: when it has ended, when it has diverged, how fast it is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from components.config.settings import TrainSettings
from components.core.errors import InputError, StepError
from components.core.text import counted

MAX_ROLLBACKS = 2
MAX_ATTEMPTS = 3
_MANY_NOTES = 32
_NOTE_ERROR = 0.12  # share by which the loss of a note swings from one validation to the next
_UNHEARD_IN_A_ROW = 2
_FIRST_HEARD_STEP, _LAST_FIRST_HEARD_STEP = 100, 2_000
_TOO_QUIET_DB = 20.0
_SOUNDS_DB = -60.0  # level of a note that counts
_HAS_PITCH, _KEEPS_PITCH = 0.5, 0.3  # correlation of a note with itself; the share of it that a resynthesis must have


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


class Diverged(Exception):  # noqa: N818 (not an error of its own: the loop rolls back)
    """A training has diverged; the message says how."""


def check_interval(interval: Interval | None, usual_loss: float, factor: float) -> None:
    """Raises Diverged if the loss of some steps is not finite or too high.

    Args:
        interval: Their losses and gradients.
        usual_loss: The higher one of the validation loss before the first step and the loss of the first steps.
        factor: How many times that is too high; see TrainSettings.divergence_factor.
    """
    if interval and not interval.finite:
        raise Diverged("a loss or a gradient is not a number")
    if interval and interval.loss > factor * usual_loss:
        limit = factor * usual_loss
        raise Diverged(f"the loss is {interval.loss:.4g}, above {limit:.4g}, {factor:g} times the one at first")


def check_validation(loss: float, best_loss: float, factor: float) -> None:
    """Raises Diverged if a validation loss is not finite, or more than `factor` times the best one."""
    if not math.isfinite(loss):
        raise Diverged("the validation loss is not a number")
    if loss > factor * best_loss:
        limit = factor * best_loss
        raise Diverged(f"the validation loss is {loss:.4g}, above {limit:.4g}, {factor:g} times the best")


class SilentOrPitchless(Exception):  # noqa: N818 (not an error of its own: the loop begins again)
    """The model has gone silent or lost its pitch; the message says how."""


def check_heard(state: State, heard: npt.NDArray[np.floating[Any]], settings: TrainSettings) -> str:
    """Counts the validations in a row in which the model is silent or has no pitch.

    A training is given up early or not at all: from a quarter of its steps on (but not before step 100, and by step
    2,000 at the latest) to a half.

    Args:
        state: At the validation; its `unheard` is set.
        heard: What hearing.level_and_pitch returns for each of the notes, [notes, 4].
        settings: Of the training.

    Returns:
        What is wrong, where it has just been found and the training goes on nevertheless; "" otherwise.

    Raises:
        SilentOrPitchless: The training is to begin again with another seed.
    """
    reason = _unheard(np.asarray(heard, np.float64))
    first = max(_FIRST_HEARD_STEP, min(settings.max_steps // 4, _LAST_FIRST_HEARD_STEP))
    state.unheard = state.unheard + 1 if reason and state.step >= first else 0
    if state.unheard < _UNHEARD_IN_A_ROW:
        return ""
    if len(state.attempts) + 1 < MAX_ATTEMPTS and state.step <= settings.max_steps // 2:
        raise SilentOrPitchless(reason)
    return reason if state.unheard == _UNHEARD_IN_A_ROW else ""


def _unheard(heard: npt.NDArray[np.floating[Any]]) -> str:
    note_db, level_db, note_pitch, pitch = heard[heard[:, 0] > _SOUNDS_DB].T
    if len(note_db) and (quiet_db := float(np.mean(note_db - level_db))) > _TOO_QUIET_DB:
        return f"the model is silent: {quiet_db:.0f} dB below the held-out notes"
    tonal = note_pitch > _HAS_PITCH
    if tonal.any() and pitch[tonal].mean() < _KEEPS_PITCH * note_pitch[tonal].mean():
        return (
            f"the model has lost its pitch: {max(0.0, pitch[tonal].mean()):.0%} of its sound repeats at the pitch, "
            f"{note_pitch[tonal].mean():.0%} of the held-out notes"
        )
    return ""


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
