"""The longer clips of an evaluation: a tune, a phrase of the held-out notes that have a melody, a timbre transfer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from components.artifacts.clips import Piece, write_piece
from components.audio.f0 import confident_hz, melody_name
from components.evaluate import foreign_phrase, scoring, tune
from components.nsynth.note import FloatArray, Note
from components.nsynth.sorted_set import SortedSet

if TYPE_CHECKING:
    from components.synths.instrument import Instrument

_MAX_DONORS = 64
_MAX_PHRASE_NOTES = 5
_FADE_SAMPLES = 160


def write_pieces(out_uri: str, instrument: Instrument, data: SortedSet, notes: Sequence[Note]) -> list[Piece]:
    """Writes the pieces of an evaluation to a training directory.

    Args:
        out_uri: The training directory.
        instrument: The model.
        data: The sorted set: the first notes of its train split play the tune together with the held-out notes.
        notes: The held-out notes.
    """
    found, family = [], instrument.card.family
    has_trained = "train" in data.splits() and data.families("train").get(family)
    trained = islice(data.notes("train", family), _MAX_DONORS) if has_trained else ()
    score = tune.tune([*notes[:_MAX_DONORS], *trained], instrument.card)
    if score:
        found.append(write_piece(out_uri, "tune", score.audio, tune.render(instrument, score)))
    melodies = [note for note in notes if melody_name(confident_hz(note.f0_hz, note.f0_confidence))]
    if melodies:
        results = list(scoring.resynthesise(instrument, melodies[:_MAX_PHRASE_NOTES]))
        originals = _joined([each.note.audio for each in results])
        found.append(write_piece(out_uri, "phrase", originals, _joined([each.audio for each in results])))
    recording = foreign_phrase.recording()
    found.append(write_piece(out_uri, "transfer", recording, foreign_phrase.transferred(instrument, recording)))
    return found


def _joined(parts: Sequence[FloatArray]) -> FloatArray:
    """Returns sounds one after another, each faded at its ends."""
    ramp = np.linspace(0, 1, _FADE_SAMPLES, dtype=np.float32)
    faded = [np.array(part, np.float32) for part in parts]
    for part in faded:
        part[:_FADE_SAMPLES] *= ramp
        part[-_FADE_SAMPLES:] *= ramp[::-1]
    return np.concatenate(faded)
