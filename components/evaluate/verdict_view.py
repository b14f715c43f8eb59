"""The result of a family at the top of the report: is it good enough, which synth, why not, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from components.evaluate.training_view import TrainingView, winner_of


@dataclass(frozen=True)
class VerdictView:
    """The result in words.

    Attributes:
        word: "ready", "rough" or "not yet"; "" where there is nothing to judge.
        headline: The result in one line.
        sentences: What it rests on.
        failures: The synths that failed the gate, and why.
        next_step: What to do next.
        best: The synths that are closest to the recordings: several where that is too close to call.
    """

    word: str
    headline: str
    sentences: list[str] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    next_step: str = ""
    best: tuple[str, ...] = ()


def verdict_view(family: str, trainings: Sequence[TrainingView]) -> VerdictView:
    """Returns the result of a family."""
    winner = winner_of(trainings)
    if winner is None or winner.loss is None:
        return VerdictView("", f"{family.capitalize()}: nothing to judge yet")
    losses = ", ".join(f"{each.synth} {each.loss:.2f}" for each in trainings if each.loss is not None)
    return VerdictView(
        "",
        f"{family.capitalize()}: {winner.synth} has the lowest spectral loss",
        [f"Spectral loss on the held-out notes: {losses}."],
        best=(winner.synth,),
    )
