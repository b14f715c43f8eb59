"""How fast the steps of an interval were, and how long they waited for their input."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Pace:
    """The steps since the last line of the curves, by this process.

    Attributes:
        steps: How many.
        seconds: What they took together, validations and checkpoints between them not counted.
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

    def numbers(self) -> dict[str, float]:
        """Returns what the curves say of it."""
        return {"steps_per_s": self.steps / self.seconds, "input_wait_s": self.waited_s} if self.steps else {}
