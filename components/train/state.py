"""Where a training is: the numbers that a checkpoint holds beside the weights."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class State:
    """Where a training is.

    Batches, crops and noise are functions of the seed and the step, so these two are the position in the data and the
    state of all randomness.

    Attributes:
        step: Steps done.
        seed: Of the training.
        examples: Examples trained on: `step` times the batch size.
        seconds: Spent on training, validations and checkpoints, by all processes together.
        waited_s: How much of that was waiting for batches.
        validated_step: The step of the last validation; -1 before the first.
        first_loss: Spectral loss of the validation before the first step.
        last_loss: Of the last validation.
        best_loss: The lowest one.
        best_step: The step it was found at.
        mark: The validation loss at the last improvement that counts.
        stale: Validations since.
        restarts: How often a process went on where another one had ended.
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
        """Returns what `State(**...)` makes the same state of."""
        return asdict(self)

    def validated(self, loss: float, min_improvement: float) -> bool:
        """Takes note of a validation at the present step.

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
