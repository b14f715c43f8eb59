"""Several workers do what belongs together at the same step: leave, save, end. One alone does what it wants at once.

Wishes travel with a step's arguments, are reduced on the devices with its sums, and are read some steps later, when the
devices have long been done with it: nobody waits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import astuple, dataclass
from typing import Any

from components.synths.ddsp_imports import tf

_LAG_STEPS = 4


@dataclass(frozen=True)
class Wishes:
    """What a worker wants, or all of them do.

    Attributes:
        leave: The process was asked to end.
        save: It is time for a checkpoint.
        end: The training has had its minutes.
    """

    leave: bool = False
    save: bool = False
    end: bool = False


class Agreement:
    """What all workers do, by what any of them wants."""

    def __init__(self, workers: int) -> None:
        self._alone, self._decided = workers == 1, Wishes()
        self._answers: deque[Any] = deque()
        self.lag_steps = 0 if self._alone else _LAG_STEPS

    def arguments(self, wishes: Wishes) -> tuple[Any, ...]:
        """Returns what goes to the devices with a step."""
        return () if self._alone else (tf.constant(astuple(wishes), tf.float32),)

    def answered(self, answer: Any) -> None:
        """Takes what comes back: the mean of all wishes, f32[3]."""
        if self._alone:
            return
        self._answers.append(answer)
        if len(self._answers) > self.lag_steps:
            self._decided = Wishes(*(self._answers.popleft().numpy() > 0).tolist())

    def decided(self, wishes: Wishes) -> Wishes:
        """Returns what is to be done now."""
        return wishes if self._alone else self._decided

    def forget(self) -> None:
        """Drops the answers that are on their way."""
        self._answers.clear()
        self._decided = Wishes()
