"""How a model of an older version, whose card has no `expression`, is played: by the kind of its instrument.

A note rises to a peak, falls to the level of its velocity, decays and is released. Levels come from the loudness of the
training; times are those of the kind of instrument: struck and plucked ones decay, the others are held.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from components.artifacts.expression import Expression, TrainingNote
from components.artifacts.model_card import ModelCard, Percentiles
from components.audio.f0 import hz_to_midi

DEFAULT_LOUDNESS_DB = Percentiles(-50.0, -25.0, -8.0)
"""The loudness of the training of a model whose card has none."""
_DEFAULT_PITCHES = (36, 84)
_RANGE_MARGIN = 3  # semitones beyond the 5th and 95th percentile, where a card does not say the range
_SOFTEST_BELOW_MEDIAN_DB = 15.0
_RISE_DB = 40.0  # the ear hears nothing below
_VIBRATO_HZ = 5.4
_VELOCITIES = (1, 127)
_LAST_S = 3.0


@dataclass(frozen=True)
class _Kind:
    attack_s: float = 0.05
    settle_s: float = 0.12
    overshoot_db: float = 1.5
    decay_db_per_s: float = 0.0
    release_s: float = 0.18  # for 40 dB
    vibrato_cents: float = 0.0

    def loudness_db(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Returns times and the loudness at them, relative to the level of the velocity."""
        after = self.settle_s * np.array([0.0, 0.5, 1.0, 2.0, 4.0])
        ends = [each for each in (1.0, _LAST_S - 1.0, _LAST_S) if each > self.attack_s + after[-1]]
        times = np.array([0.0, *(self.attack_s + after), *ends])
        late = np.maximum(times - self.attack_s, 0.0)
        curve = self.overshoot_db * np.exp(-late / self.settle_s) - self.decay_db_per_s * late
        curve[0] -= _RISE_DB
        return tuple(times.tolist()), tuple(curve.tolist())


_HELD = _Kind()
_STRUCK = _Kind(attack_s=0.012, settle_s=0.08, overshoot_db=3.0, decay_db_per_s=8.0)
_FAMILIES = {
    "bass": replace(_STRUCK, decay_db_per_s=6.0),
    "brass": replace(_HELD, attack_s=0.06),
    "flute": replace(_HELD, attack_s=0.07, vibrato_cents=12.0),
    "guitar": replace(_STRUCK, decay_db_per_s=9.0),
    "keyboard": replace(_STRUCK, release_s=0.25),
    "mallet": replace(_STRUCK, attack_s=0.008, decay_db_per_s=18.0, release_s=0.4),
    "organ": replace(_HELD, attack_s=0.02, overshoot_db=0.0, release_s=0.08),
    "string": replace(_HELD, attack_s=0.08, vibrato_cents=14.0, release_s=0.25),
    "vocal": replace(_HELD, attack_s=0.07, vibrato_cents=20.0),
}


def expression_of(card: ModelCard) -> Expression:
    """Returns the expression of a model: that of its card, else a plain one of its family."""
    if card.expression:
        return card.expression
    kind, loudness_db = _FAMILIES.get(card.family, _HELD), card.loudness_db or DEFAULT_LOUDNESS_DB
    soft_db = max(loudness_db.p5, loudness_db.median - _SOFTEST_BELOW_MEDIAN_DB)
    db_per_velocity = (loudness_db.p95 - soft_db) / _VELOCITIES[-1]
    times_s, curve = kind.loudness_db()
    low, high = _pitches(card)
    notes = tuple(
        TrainingNote(
            (low + high) // 2,
            velocity,
            tuple(soft_db + db_per_velocity * velocity + each for each in curve),
            tuple(-_RISE_DB * each for each in (0.0, 1.0, 2.0)),
            vibrato_hz=_VIBRATO_HZ,
            vibrato_cents=kind.vibrato_cents,
        )
        for velocity in _VELOCITIES
    )
    release_s = tuple(kind.release_s * each for each in (0.0, 1.0, 2.0))
    return Expression(times_s, release_s, notes, low, high, db_per_velocity, sustained=kind.decay_db_per_s == 0)


def _pitches(card: ModelCard) -> tuple[int, int]:
    if card.f0_hz is None:
        return _DEFAULT_PITCHES
    low, high = (float(hz_to_midi(np.array(hz))) for hz in (card.f0_hz.p5, card.f0_hz.p95))
    lowest, highest = round(low) - _RANGE_MARGIN, round(high) + _RANGE_MARGIN
    return max(0, min(lowest, 126)), max(1, min(highest, 127))
