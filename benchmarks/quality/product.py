"""The product's own numbers of what models have played: those of evaluation.json, of Luthier's models and of ddsp's.

They are of the audio alone, so that they are computed again without a training where an evaluation has changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.process import run_function
from benchmarks.quality.arrays import SCORED, Played, read_known, write_known
from components.audio.loudness import loudness_db
from components.core.versions import EVALUATION_VERSION
from components.evaluate import note_selection
from components.evaluate.scoring import Resynthesis, note_numbers
from components.nsynth.note import Note
from components.nsynth.sorted_set import SortedSet


def score(played: Iterable[tuple[str, Path]], sorted_uri: str) -> None:
    """Computes the numbers of files of arrays, families and files, in a process with TensorFlow, unless known."""
    missing = [(family, str(path)) for family, path in played if not read_known(path, SCORED, EVALUATION_VERSION)]
    if missing:
        run_function("benchmarks.quality.product:score_files", json.dumps(missing), sorted_uri)


def score_files(files: str, sorted_uri: str) -> None:
    """Computes the numbers of files of arrays, and writes them beside: a JSON list of [family, file]."""
    for family, path in json.loads(files):
        notes, played = held_out(sorted_uri, family), Played.read(Path(path))
        if [note.id for note in notes] != played.ids:
            raise ValueError(f"'{path}' has other notes than '{sorted_uri}'; try another --work")
        numbers = [asdict(note_numbers(each).numbers) for each in _resyntheses(notes, played)]
        write_known(Path(path), SCORED, EVALUATION_VERSION, {"notes": numbers})


def held_out(sorted_uri: str, family: str) -> list[Note]:
    """Returns the held-out notes of a family, those that models are evaluated on."""
    return note_selection.held_out_notes(SortedSet.open(sorted_uri), family, 0)[1]


def _resyntheses(notes: list[Note], played: Played) -> list[Resynthesis]:
    asked_db, heard_db = (
        np.asarray(loudness_db(sounds, played.loudness_definition)) for sounds in (played.recordings, played.played)
    )
    return [
        Resynthesis(note, 0, asked_db[row], sound, np.zeros_like(sound), heard_db[row], {})
        for row, (note, sound) in enumerate(zip(notes, played.played, strict=True))
    ]
