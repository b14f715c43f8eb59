"""Refuses data that no training can learn from: notes that are all silent, or all without a pitch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.audio.levels import above_floor
from components.core.errors import InputError

if TYPE_CHECKING:
    from components.train.dataset import Batch


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
