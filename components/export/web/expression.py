"""How keys without breath become loudness and pitch: the numbers that the page's performer takes.

A note rises to a peak, falls to the level of its key's velocity, decays and is released. Levels come from the loudness
of the training; times are those of the kind of instrument: struck and plucked ones decay, the others are held.
"""

from __future__ import annotations

from components.artifacts.model_card import Percentiles

_HELD = {
    "attack_s": 0.05,
    "settle_s": 0.12,
    "overshoot_db": 1.5,
    "decay_db_per_s": 0.0,
    "release_s": 0.18,
    "glide_s": 0.03,
    "vibrato_hz": 5.4,
    "vibrato_cents": 0.0,
    "vibrato_after_s": 0.5,
}
_STRUCK = {**_HELD, "attack_s": 0.012, "settle_s": 0.08, "overshoot_db": 3.0, "decay_db_per_s": 8.0, "glide_s": 0.0}
_FAMILIES = {
    "bass": {**_STRUCK, "decay_db_per_s": 6.0},
    "brass": {**_HELD, "attack_s": 0.06},
    "flute": {**_HELD, "attack_s": 0.07, "vibrato_cents": 12.0},
    "guitar": {**_STRUCK, "decay_db_per_s": 9.0},
    "keyboard": {**_STRUCK, "release_s": 0.25},
    "mallet": {**_STRUCK, "attack_s": 0.008, "decay_db_per_s": 18.0, "release_s": 0.4},
    "organ": {**_HELD, "attack_s": 0.02, "overshoot_db": 0.0, "release_s": 0.08},
    "string": {**_HELD, "attack_s": 0.08, "vibrato_cents": 14.0, "release_s": 0.25},
    "vocal": {**_HELD, "attack_s": 0.07, "vibrato_cents": 20.0},
}
_SILENCE_BELOW_SOFT_DB = 45.0  # where NSynth's sounding frames end, and a note as well


def expression(family: str, loudness_db: Percentiles) -> dict[str, float]:
    """Returns the performer's numbers for a family.

    Args:
        family: One of NSynth's families.
        loudness_db: Loudness in the training, by the model's definition.

    Returns:
        Times in seconds, levels in dB of the model's loudness: `soft_db` and `loud_db` are those of the velocities 0
        and 1, a note ends at `silence_db`.
    """
    soft_db = max(loudness_db.p5, loudness_db.median - 15.0)
    return {
        **_FAMILIES.get(family, _HELD),
        "soft_db": soft_db,
        "loud_db": loudness_db.p95,
        "silence_db": max(-80.0, soft_db - _SILENCE_BELOW_SOFT_DB),
    }
