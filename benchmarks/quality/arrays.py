"""What a model has played, as a file; beside it what the judge says about it, and the product's own numbers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.quality import judge, steady
from benchmarks.quality.judge import Heard, Judged
from benchmarks.quality.steady import Steady
from benchmarks.report import write_json
from components.audio.loudness import LOUDNESS_DEFINITION
from components.core.versions import EVALUATION_VERSION

Array = npt.NDArray[np.floating[Any]]
SCORED, _JUDGED = "scored", "judged"
"""What is known of a file of arrays: the product's numbers of each note, and what the judge says."""
_SOUNDS = ("recordings", "played", "tones", "sounds", "silence")


@dataclass(frozen=True)
class Played:
    """The held-out notes as a model plays them, and its steady notes.

    Attributes:
        ids: Of the notes.
        recordings: f32[notes, samples].
        played: The resyntheses, the same shape.
        tones: The tonal part of the steady notes, f32[pitches, samples]; see steady.
        sounds: Their whole sound, the same shape.
        silence: The sound where the loudness says silence, f32[samples].
        loudness_definition: Of the loudness that the model was given.
    """

    ids: list[str]
    recordings: Array
    played: Array
    tones: Array
    sounds: Array
    silence: Array
    loudness_definition: str = LOUDNESS_DEFINITION

    def write(self, path: Path) -> None:
        """Writes the file; it is there whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part.npz")
        arrays: dict[str, Any] = {name: np.asarray(getattr(self, name), np.float32) for name in _SOUNDS}
        facts = json.dumps({"ids": self.ids, "loudness_definition": self.loudness_definition})
        np.savez(partial, facts=facts, **arrays)
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Played:
        """Reads a file."""
        with np.load(path) as found:
            facts = json.loads(str(found["facts"]))
            definition = facts.get("loudness_definition", LOUDNESS_DEFINITION)
            return cls(facts["ids"], **{name: found[name] for name in _SOUNDS}, loudness_definition=definition)


@dataclass(frozen=True)
class Verdict:
    """What the judge says about a model's notes and steady notes, and the product's numbers of the notes."""

    notes: list[Judged]
    steady: Steady
    product: list[dict[str, Any]]


def read_known(path: Path, kind: str, version: int) -> dict[str, Any] | None:
    """Returns what is known of a file of arrays, by a version of the code that found it; None where that is nothing.

    Args:
        path: The file of arrays.
        kind: What is known, see SCORED.
        version: Of the code.
    """
    known = _beside(path, kind)
    if not known.exists() or (found := json.loads(known.read_text()))["key"] != _key(path, version):
        return None
    return dict(found)


def write_known(path: Path, kind: str, version: int, found: dict[str, Any]) -> None:
    """Writes what was found about a file of arrays beside it; see `read_known`."""
    write_json(_beside(path, kind), {"key": _key(path, version), **found})


def _beside(path: Path, kind: str) -> Path:
    return path.with_suffix(f".{kind}.json")


def _key(path: Path, version: int) -> str:
    return f"{version} {hashlib.sha256(path.read_bytes()).hexdigest()}"


class Judge:
    """Judges files of arrays. It keeps what it hears in a recording, which many models play."""

    def __init__(self) -> None:
        self._heard = dict[bytes, Heard]()

    def verdict(self, path: Path) -> Verdict:
        """Returns the verdict on a file, of which the product's numbers are known or not needed."""
        scored = read_known(path, SCORED, EVALUATION_VERSION)
        product = scored["notes"] if scored else []
        if found := read_known(path, _JUDGED, judge.VERSION):
            return Verdict([Judged(**each) for each in found["notes"]], Steady(**found["steady"]), product)
        played = Played.read(path)
        notes = [
            judge.judge(recording, sound, self._heard_in(recording))
            for recording, sound in zip(played.recordings, played.played, strict=True)
        ]
        steadily = steady.measure(played.tones, played.sounds, played.silence)
        write_known(
            path, _JUDGED, judge.VERSION, {"notes": [asdict(each) for each in notes], "steady": asdict(steadily)}
        )
        return Verdict(notes, steadily, product)

    def _heard_in(self, recording: Array) -> Heard:
        key = hashlib.sha256(np.ascontiguousarray(recording).tobytes()).digest()
        if key not in self._heard:
            self._heard[key] = Heard.of(recording)
        return self._heard[key]
