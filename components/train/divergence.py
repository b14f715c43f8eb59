"""When a training has left the path, and what is said of it."""

from __future__ import annotations

import math
from typing import Any

from components.core.errors import StepError
from components.train.trainer import Interval

MOST_ROLLBACKS = 2


class Diverged(Exception):  # noqa: N818 (reads as what it is)
    """A training has left the path; says how."""


def check_interval(interval: Interval | None, untrained_loss: float, factor: float) -> None:
    """Raises Diverged where some steps were no sound training.

    Args:
        interval: What the steps found.
        untrained_loss: The validation loss before the first step: nothing learnt should be much worse.
        factor: How much worse; see TrainSettings.divergence_factor.
    """
    if interval and not interval.finite:
        raise Diverged("a loss or a gradient is not a number")
    if interval and interval.loss > factor * untrained_loss:
        limit = factor * untrained_loss
        raise Diverged(f"the loss is {interval.loss:.4g}, above {limit:.4g}, {factor:g} times the untrained model's")


def check_validation(loss: float, best_loss: float, factor: float) -> None:
    """Raises Diverged where a validation loss is no number, or more than `factor` times the best one."""
    if not math.isfinite(loss):
        raise Diverged("the validation loss is not a number")
    if loss > factor * best_loss:
        limit = factor * best_loss
        raise Diverged(f"the validation loss is {loss:.4g}, above {limit:.4g}, {factor:g} times the best")


def given_up(step: int, reason: str, rollbacks: list[dict[str, Any]], learning_rate: float) -> StepError:
    """Returns the error that ends a training: the whole account in one line."""
    before = "; ".join(f"at step {done['step']}: {done['reason']}" for done in rollbacks)
    return StepError(
        f"the training diverged at step {step} ({reason}), after it had gone back to a checkpoint and halved the "
        f"learning rate {len(rollbacks)} times ({before}); try a lower train.learning_rate, it was {learning_rate:.2g} "
        "in the end"
    )
