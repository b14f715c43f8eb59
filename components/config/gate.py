"""The gate: the scores a model needs to be a family's champion, and the margin by which it must beat the champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from components.config.bindings import check_bindings, literals
from components.config.catalog import GATE_GIN
from components.core.errors import InputError, nearest

LOSS = "spectral_loss"
_LIMITS = {
    "max_spectral_loss": ("spectral_loss", ""),
    "max_pitch_error_cents": ("pitch_error_cents", " cents"),
    "min_pitch_heard_share": ("pitch_heard_share", ""),
    "max_loudness_error_db": ("loudness_error_db", " dB"),
}


@dataclass(frozen=True)
class Gate:
    """Limits for the means over the held-out notes (see artifacts.evaluation.Numbers), and the margin.

    Attributes:
        max_spectral_loss: Highest multi-scale spectral loss.
        max_pitch_error_cents: Highest pitch error, in cents.
        min_pitch_heard_share: Least share of the pitched frames in which a tracker hears any pitch, 0..1.
        max_loudness_error_db: Highest loudness error, in dB.
        margin: A model replaces the champion if its spectral loss on the same notes is lower by at least this share.
    """

    max_spectral_loss: float = 20.0
    max_pitch_error_cents: float = 50.0
    min_pitch_heard_share: float = 0.5
    max_loudness_error_db: float = 20.0
    margin: float = 0.01

    def failure(self, means: Mapping[str, float]) -> str:
        """Returns which limit a model fails, in words; "" where it passes.

        Args:
            means: The evaluation's means by name. A limit whose number the notes do not have (a pitch) is not applied.
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
        """Tells whether a loss is low enough to replace the champion with this loss on the same notes."""
        return loss < champions_loss * (1.0 - self.margin)


def gate_of(bindings: Sequence[str] = ()) -> Gate:
    """Returns the gate of gate.gin and of bindings on top of it. gin's own configuration is neither read nor changed.

    Args:
        bindings: Such as "gate.margin = 0.05"; untrusted.

    Raises:
        InputError: A binding is refused, or a limit is not a number from 0 on.
    """
    check_bindings(bindings)
    names = [field.name for field in fields(Gate)]
    values = {}
    for binding, value in literals([GATE_GIN.read_text(), *bindings]).items():
        name = binding.removeprefix("gate.")
        if name not in names:
            raise InputError(f"binding '{binding}' is refused: the gate has no '{name}'; {nearest(name, names)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise InputError(f"gate.{name} is {value!r}: expected a number from 0 on")
        values[name] = value
    return Gate(**values)
