"""The promotion gate: the limits that a champion must keep, and the margin by which it must beat the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from components.config.domains import Real

LOSS = "spectral_loss"
_ANY = Real(0, 1e9)
_LEVEL = Real(-1e9, 1e9)  # in dB, of which less than 0 is usual


@dataclass(frozen=True)
class Failure:
    """A limit that a model does not keep.

    Attributes:
        limit: The parameter of the gate, "max_level_bias_db".
        value: What was measured, by the name in `artifacts.scores.gate_values`.
        text: Both in words: "it is 6.2 dB too quiet, the limit is at most 6 dB".
    """

    limit: str
    value: float
    text: str


@dataclass(frozen=True)
class _Limit:
    """How a limit is checked: the name of the value, and its sentence with {value}, which ends in its unit."""

    name: str
    words: str
    unit: str = ""
    is_percent: bool = False
    is_distance: bool = False  # from 0 in both directions


_LIMITS = {
    "max_spectral_loss": _Limit("spectral_loss", "its spectral loss is {value}"),
    "max_loudness_error_db": _Limit("loudness_error_db", "its loudness error is {value}", " dB"),
    "max_level_bias_db": _Limit("level_bias_db", "it is {value} too {direction}", " dB", is_distance=True),
    "max_pitch_error_cents": _Limit("pitch_error_cents", "its pitch error is {value}", " cents"),
    "min_pitch_within_share": _Limit(
        "pitch_within_share", "its pitch is right in {value} of the frames", is_percent=True
    ),
    "min_pitch_heard_share": _Limit("pitch_heard_share", "a pitch is heard in {value} of the frames", is_percent=True),
    "max_aliasing_db": _Limit("aliasing_db", "its aliasing is {value}", " dB"),
    "max_wobble_db": _Limit("wobble_db", "its level wobbles by {value} on steady notes", " dB"),
    "max_silence_db": _Limit("silence_db", "it sounds at {value} where the loudness says silence", " dB"),
}


@dataclass(frozen=True)
class Gate:
    """Limits of what an evaluation measures (artifacts.scores.gate_values), and the margin; gate.gin has the reasons.

    Attributes:
        max_spectral_loss: Highest multi-scale spectral loss, median over the held-out notes.
        max_loudness_error_db: Highest loudness error, median over the notes, in dB.
        max_level_bias_db: Farthest that the level may lie above or below that of the notes, in dB.
        max_pitch_error_cents: Highest pitch error, median over the notes, in cents.
        min_pitch_within_share: Lowest share of the pitched frames within 50 cents, mean over the notes, 0..1.
        min_pitch_heard_share: Lowest share of the pitched frames in which a pitch tracker finds a pitch, 0..1.
        max_aliasing_db: Highest level beside the partials of a steady tone, relative to the tone, in dB.
        max_wobble_db: Largest range of the level of a steady note, in dB.
        max_silence_db: Highest level where the loudness says silence, in dB of full scale.
        margin: A model replaces the champion if its distance from the same notes is lower by at least this share, and
            the notes tell the two apart (see artifacts.comparison).
    """

    max_spectral_loss: Annotated[float, _ANY] = 20.0
    max_loudness_error_db: Annotated[float, _ANY] = 10.0
    max_level_bias_db: Annotated[float, _ANY] = 6.0
    max_pitch_error_cents: Annotated[float, _ANY] = 50.0
    min_pitch_within_share: Annotated[float, _ANY] = 0.5
    min_pitch_heard_share: Annotated[float, _ANY] = 0.5
    max_aliasing_db: Annotated[float, _LEVEL] = -40.0
    max_wobble_db: Annotated[float, _ANY] = 12.0
    max_silence_db: Annotated[float, _LEVEL] = -50.0
    margin: Annotated[float, _ANY] = 0.01

    def failures(self, values: Mapping[str, float]) -> list[Failure]:
        """Returns the limits that a model does not keep; empty where it may be champion.

        Args:
            values: The evaluation's values by name. A limit of a value that is missing does not apply: notes without a
                pitch have no pitch error, and older files have fewer values.
        """
        if LOSS not in values:
            return [Failure("", 0.0, "it was not evaluated")]
        found = []
        for limit, checked in _LIMITS.items():
            if checked.name in values and not self._keeps(limit, checked, values[checked.name]):
                found.append(Failure(limit, values[checked.name], self._text(limit, checked, values[checked.name])))
        return found

    def failure(self, values: Mapping[str, float]) -> str:
        """Returns why a model may not be champion, in one line; "" where it may. See `failures`."""
        return "; ".join(failure.text for failure in self.failures(values))

    def _keeps(self, limit: str, checked: _Limit, value: float) -> bool:
        bound = float(getattr(self, limit))
        if checked.is_distance:
            return abs(value) <= bound
        return value <= bound if limit.startswith("max") else value >= bound

    def _text(self, limit: str, checked: _Limit, value: float) -> str:
        shown = abs(value) if checked.is_distance else value
        words = checked.words.format(value=_shown(shown, checked), direction="quiet" if value < 0 else "loud")
        wanted = "at most" if limit.startswith("max") else "at least"
        return f"{words}, the limit is {wanted} {_shown(getattr(self, limit), checked)}"


def _shown(value: float, checked: _Limit) -> str:
    if checked.is_percent:
        return f"{100 * value:.3g} %"
    return (f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}") + checked.unit
