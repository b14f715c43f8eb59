"""A finished training, as its run.json tells: for the person who waits and for the model's artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_ENDED = {"flat": " (the curve went flat)", "max_minutes": " (out of time)", "max_steps": ""}


@dataclass(frozen=True)
class FinishedTraining:
    """What a finished training left in its run.json."""

    record: dict[str, Any]

    def summary(self) -> str:
        """One line for a person."""
        best = self.record["best"]
        first, ended = self.record["first_spectral_loss"], _ENDED[self.record["stopped_by"]]
        return f"{self.record['steps']} steps{ended}, spectral loss {first:.1f} -> {best['valid_loss']:.2f} (held out)"

    def facts(self) -> dict[str, Any]:
        """Metadata of the model artifact."""
        names = ("family", "synth", "preset", "steps", "data_fingerprint", "training_version")
        return {**{name: self.record[name] for name in names}, "valid_loss": self.record["best"]["valid_loss"]}
