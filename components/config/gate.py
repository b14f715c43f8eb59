"""The promotion gate: the limits that a champion must keep, and the margin by which it must beat the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from components.config.domains import Real

LOSS = "spectral_loss"
_ANY = Real(0, 1e9)
_LIMITS = {
    "max_spectral_loss": ("spectral_loss", ""),
    "max_pitch_error_cents": ("pitch_error_cents", " cents"),
    "min_pitch_heard_share": ("pitch_heard_share", ""),
    "max_loudness_error_db": ("loudness_error_db", " dB"),
}


@dataclass(frozen=True)
class Gate:
    """Limits for the means over the held-out notes (see artifacts.evaluation), and the margin.

    Attributes:
        max_spectral_loss: Highest multi-scale spectral loss.
        max_pitch_error_cents: Highest pitch error, in cents.
        min_pitch_heard_share: Lowest share of the pitched frames in which a pitch tracker finds a pitch, 0..1.
        max_loudness_error_db: Highest loudness error, in dB.
        margin: A model replaces the champion if its spectral loss on the same notes is lower by at least this share.
    """

    max_spectral_loss: Annotated[float, _ANY] = 20.0
    max_pitch_error_cents: Annotated[float, _ANY] = 50.0
    min_pitch_heard_share: Annotated[float, _ANY] = 0.5
    max_loudness_error_db: Annotated[float, _ANY] = 20.0
    margin: Annotated[float, _ANY] = 0.01

    def failure(self, means: Mapping[str, float]) -> str:
        """Returns why a model may not be champion, or an empty text if it may.

        Args:
            means: The evaluation's means by name. A limit of a mean that is missing does not apply: notes without a
                pitch have no pitch error.
        """
        if LOSS not in means:
            return "it was not evaluated"
        for limit, (name, unit) in _LIMITS.items():
            if name not in means:
                continue
            value, bound = means[name], getattr(self, limit)
            if not (value <= bound if limit.startswith("max") else value >= bound):
                wanted = "at most" if limit.startswith("max") else "at least"
                shown = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
                what = name.removesuffix("_cents").removesuffix("_db").replace("_", " ")
                return f"its {what} is {shown}{unit}, the limit is {wanted} {bound:g}{unit}"
        return ""

    def beats(self, loss: float, champions_loss: float) -> bool:
        """Returns whether a loss replaces the champion's loss on the same notes."""
        return loss < champions_loss * (1.0 - self.margin)
