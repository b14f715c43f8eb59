"""When a training has diverged: a loss that is not finite, or far above what is usual."""

from __future__ import annotations

import math
from typing import Any

from components.core.errors import StepError
from components.core.text import counted
from components.train.state import Interval

MAX_ROLLBACKS = 2


class Diverged(Exception):  # noqa: N818 (not an error of its own: the loop rolls back)
    """A training has diverged; the message says how."""


class DivergenceCheck:
    """Compares losses with the usual ones of this training.

    The held-out notes alone do not tell what is usual: with weights that know other instruments, an easy held-out note
    may have a quarter of the loss of a hard training note, before any step. So the losses of the first steps count too.
    """

    def __init__(self, factor: float, first_steps: int) -> None:
        """Sets what is too high.

        Args:
            factor: How many times the usual loss; see TrainSettings.divergence_factor.
            first_steps: How many steps of a process tell what is usual.
        """
        self._factor, self._first_steps = factor, first_steps
        self.begin(0)

    def begin(self, step: int) -> None:
        """Lets the losses of the steps after this one tell what is usual."""
        self._usual_loss, self._usual_until_step = 0.0, step + self._first_steps

    def check_interval(self, interval: Interval | None, step: int, first_loss: float) -> None:
        """Checks the loss of some steps.

        Args:
            interval: Their losses and gradients; None where there were none.
            step: The last one of them.
            first_loss: Validation loss before the first step of the training.

        Raises:
            Diverged: The loss is not finite or too high.
        """
        if interval is None:
            return
        if not interval.finite:
            raise Diverged("a loss or a gradient is not a number")
        if step <= self._usual_until_step:
            self._usual_loss = max(self._usual_loss, interval.loss)
        if interval.loss > (limit := self._factor * max(self._usual_loss, first_loss)):
            raise Diverged(
                f"the loss is {interval.loss:.4g}, above {limit:.4g}, {self._factor:g} times the one at first"
            )

    def check_validation(self, loss: float, best_loss: float) -> None:
        """Raises Diverged if a validation loss is not finite, or too many times the best one."""
        if not math.isfinite(loss):
            raise Diverged("the validation loss is not a number")
        if loss > (limit := self._factor * best_loss):
            raise Diverged(f"the validation loss is {loss:.4g}, above {limit:.4g}, {self._factor:g} times the best")


def divergence_error(step: int, reason: str, rollbacks: list[dict[str, Any]], learning_rate: float) -> StepError:
    """Returns the error that ends a training which diverged once too often, with all its rollbacks in one line."""
    before = "; ".join(f"at step {each['step']}: {each['reason']}" for each in rollbacks)
    return StepError(
        f"the training diverged at step {step} ({reason}), after it was rolled back to a checkpoint with half the "
        f"learning rate {counted(len(rollbacks), 'time')} ({before}); try a lower train.learning_rate, it was "
        f"{learning_rate:.2g} in the end"
    )
