"""When a training is over, and why."""

from __future__ import annotations

from dataclasses import dataclass

from components.config.settings import TrainSettings
from components.train.state import State


@dataclass(frozen=True)
class Verdict:
    """That a training is over.

    Attributes:
        by: "flat", "max_steps" or "max_minutes".
        reason: The same in words, with the numbers.
    """

    by: str
    reason: str


def verdict(state: State, settings: TrainSettings, minutes: float) -> Verdict | None:
    """Returns why a training is over; None while it is not.

    Args:
        state: Where it is.
        settings: Its limits.
        minutes: How long it took so far, over all processes.
    """
    if state.step >= settings.max_steps:
        return Verdict("max_steps", f"train.max_steps = {settings.max_steps}")
    if 0 < settings.patience <= state.stale:
        return Verdict(
            "flat",
            f"{state.stale} validations without an improvement of {settings.min_improvement:.2%}: "
            f"the best is {state.best_loss:.4g} at step {state.best_step} (train.patience = {settings.patience})",
        )
    if 0 < settings.max_minutes <= minutes:
        return Verdict("max_minutes", f"train.max_minutes = {settings.max_minutes:g}")
    return None
