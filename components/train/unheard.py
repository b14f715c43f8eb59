"""When a training is to begin again with another seed: its model has gone silent or lost its pitch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from components.config.settings import TrainSettings
from components.train.state import State

MAX_ATTEMPTS = 3
_UNHEARD_IN_A_ROW = 2
_FIRST_HEARD_STEP, _LAST_FIRST_HEARD_STEP = 100, 2_000
_TOO_QUIET_DB = 20.0
_SOUNDS_DB = -60.0  # level of a note that counts
_HAS_PITCH, _KEEPS_PITCH = 0.5, 0.3  # correlation of a note with itself; the share of it that a resynthesis must have


class SilentOrPitchless(Exception):  # noqa: N818 (not an error of its own: the loop begins again)
    """The model has gone silent or lost its pitch; the message says how."""


def check_heard(state: State, heard: npt.NDArray[np.floating[Any]], settings: TrainSettings) -> str:
    """Counts the validations in a row in which the model is silent or has no pitch.

    A training is given up early or not at all: from a quarter of its steps on (but not before step 100, and by step
    2,000 at the latest) to a half.

    Args:
        state: At the validation; its `unheard` is set.
        heard: What hearing.level_and_pitch returns for each of the notes, [notes, 4].
        settings: Of the training.

    Returns:
        What is wrong, where it has just been found and the training goes on nevertheless; "" otherwise.

    Raises:
        SilentOrPitchless: The training is to begin again with another seed.
    """
    reason = _unheard(np.asarray(heard, np.float64))
    first = max(_FIRST_HEARD_STEP, min(settings.max_steps // 4, _LAST_FIRST_HEARD_STEP))
    state.unheard = state.unheard + 1 if reason and state.step >= first else 0
    if state.unheard < _UNHEARD_IN_A_ROW:
        return ""
    if len(state.attempts) + 1 < MAX_ATTEMPTS and state.step <= settings.max_steps // 2:
        raise SilentOrPitchless(reason)
    return reason if state.unheard == _UNHEARD_IN_A_ROW else ""


def _unheard(heard: npt.NDArray[np.floating[Any]]) -> str:
    note_db, level_db, note_pitch, pitch = heard[heard[:, 0] > _SOUNDS_DB].T
    if len(note_db) and (quiet_db := float(np.mean(note_db - level_db))) > _TOO_QUIET_DB:
        return f"the model is silent: {quiet_db:.0f} dB below the held-out notes"
    tonal = note_pitch > _HAS_PITCH
    if tonal.any() and pitch[tonal].mean() < _KEEPS_PITCH * note_pitch[tonal].mean():
        return (
            f"the model has lost its pitch: {max(0.0, pitch[tonal].mean()):.0%} of its sound repeats at the pitch, "
            f"{note_pitch[tonal].mean():.0%} of the held-out notes"
        )
    return ""
