"""The outcome of a finished training: the fields of its run record that are known only at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.core.fields import Fields


@dataclass(frozen=True)
class Outcome:
    """What a finished training came to.

    Attributes:
        finished: When, UTC, ISO 8601.
        steps: Gradient steps done.
        first_spectral_loss: Of the validation before the first step.
        last_spectral_loss: Of the last validation.
        best_step: The step whose weights the model has; see train.state.State.validated.
        best_valid_loss: The validation loss at that step.
        stopped_by: "flat", "max_steps" or "max_minutes".
        stop_reason: The same in words, with the numbers.
        seconds: Time of training, over all processes.
        input_wait_s: How much of that was waiting for batches.
        restarts: Times that a process continued the training of another one.
        rollbacks: What was undone because the training diverged: step, to_step, reason, learning_rate.
        validation: Which notes the validation used, in words.
        attempts: Earlier attempts, given up because the model was silent or had no pitch: step, seed, reason.
    """

    finished: str
    steps: int
    first_spectral_loss: float
    last_spectral_loss: float
    best_step: int
    best_valid_loss: float
    stopped_by: str
    stop_reason: str
    seconds: float
    input_wait_s: float
    restarts: int
    rollbacks: tuple[Mapping[str, Any], ...] = ()
    validation: str = ""
    attempts: tuple[Mapping[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Returns the outcome as run.json holds it, beside the other fields."""
        return {
            "finished": self.finished,
            "steps": self.steps,
            "first_spectral_loss": self.first_spectral_loss,
            "last_spectral_loss": self.last_spectral_loss,
            "best": {"step": self.best_step, "valid_loss": self.best_valid_loss},
            "stopped_by": self.stopped_by,
            "stop_reason": self.stop_reason,
            "seconds": self.seconds,
            "input_wait_s": self.input_wait_s,
            "restarts": self.restarts,
            "rollbacks": [dict(each) for each in self.rollbacks],
            "validation": self.validation,
            "attempts": [dict(each) for each in self.attempts],
        }

    @classmethod
    def parse(cls, fields: Fields) -> Outcome:
        """Reads the outcome of a finished training from its run.json."""
        best = fields.object("best")
        if best is None:
            raise fields.wrong("best", "an object with step and valid_loss")
        return cls(
            finished=fields.time("finished"),
            steps=fields.whole("steps", low=0),
            first_spectral_loss=fields.number("first_spectral_loss"),
            last_spectral_loss=fields.number("last_spectral_loss"),
            best_step=best.whole("step", low=0),
            best_valid_loss=best.number("valid_loss"),
            stopped_by=fields.text("stopped_by", ""),
            stop_reason=fields.text("stop_reason", ""),
            seconds=fields.number("seconds", 0.0),
            input_wait_s=fields.number("input_wait_s", 0.0),
            restarts=fields.whole("restarts", 0, low=0),
            rollbacks=tuple(fields.objects("rollbacks")),
            validation=fields.text("validation", ""),
            attempts=tuple(fields.objects("attempts")),
        )
