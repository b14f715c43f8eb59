"""Refuses data that no training can learn from: silence, no pitch, and numbers that are no pitch or no samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from components.artifacts.model_card import LOWEST_F0_HZ
from components.audio.levels import above_floor
from components.core.errors import InputError
from components.nsynth.note import SAMPLE_RATE_HZ, Note

if TYPE_CHECKING:
    from components.train.dataset import Batch

_HIGHEST_F0_HZ = SAMPLE_RATE_HZ / 2
_LARGEST_SAMPLE = 16.0  # of full scale; more are integers, or other units


def check_note(note: Note, uri: str) -> None:
    """Checks one note of a shard.

    Raises:
        InputError: Its samples are not finite or far beyond full scale, or its f0 is no frequency.
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
            f"{where} has an f0 of {wrong[0]:.4g} Hz, expected {LOWEST_F0_HZ:.0f} to {_HIGHEST_F0_HZ:.0f}, and 0 where "
            "there is no pitch; prepare the set again"
        )


def check_notes(family: str, uri: str, notes: Batch) -> None:
    """Checks the notes to train on together. InputError where all are silent, or none has a pitch where it sounds."""
    sounding = above_floor(notes.loudness_db)
    if not sounding.any():
        raise InputError(
            f"all notes of {family} in '{uri}' are silent: there is nothing to learn; "
            "check the recordings that they are made of"
        )
    if not (sounding & (notes.f0_hz > 0)).any():
        raise InputError(
            f"all notes of {family} in '{uri}' have no pitch: their f0 is 0 everywhere; "
            "prepare recordings of single notes"
        )
