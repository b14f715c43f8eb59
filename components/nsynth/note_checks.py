"""Refuses notes whose numbers are no samples, no pitch or no labels, before a training or an evaluation uses them."""

from __future__ import annotations

import numpy as np

from components.core.errors import InputError
from components.nsynth.note import SAMPLE_RATE_HZ, Note

LOWEST_F0_HZ = 1.0
"""Lower ones are no pitch, and belong to no model's card."""
_HIGHEST_F0_HZ = SAMPLE_RATE_HZ / 2
_LARGEST_SAMPLE = 16.0  # of full scale; more are integers, or other units
_HIGHEST_MIDI = 127


def check_note(note: Note, uri: str) -> None:
    """Checks one note of a shard.

    Raises:
        InputError: Its samples are not finite or far beyond full scale, its f0 is no frequency, or its pitch or
            velocity is none of MIDI.
    """
    where, peak = f"the note '{note.id}' in '{uri}'", float(np.abs(note.audio).max())
    if not np.isfinite(peak):
        raise InputError(f"{where} has samples that are not finite; leave it out of the set")
    if peak > _LARGEST_SAMPLE:
        raise InputError(
            f"{where} has samples up to {peak:.0f}, expected -1 to 1: they are probably integers that were stored as "
            "floating point; prepare the set again"
        )
    f0_hz = note.f0_hz[np.isfinite(note.f0_hz) & (note.f0_hz != 0)]
    wrong = f0_hz[(f0_hz < LOWEST_F0_HZ) | (f0_hz > _HIGHEST_F0_HZ)]
    if len(wrong):
        raise InputError(
            f"{where} has an f0 of {wrong[0]:.6g} Hz, expected {LOWEST_F0_HZ:.0f} to {_HIGHEST_F0_HZ:.0f}, and 0 where "
            "there is no pitch; prepare the set again"
        )
    for name, value in (("pitch", note.pitch), ("velocity", note.velocity)):
        if not 0 <= value <= _HIGHEST_MIDI:
            raise InputError(
                f"{where} has the {name} {value}, expected 0 to {_HIGHEST_MIDI}: MIDI's numbers; prepare the set again"
            )
