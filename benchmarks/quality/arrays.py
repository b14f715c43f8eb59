"""What a model has played, as a file, and what the judge says about it, as a file beside it."""

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

Array = npt.NDArray[np.floating[Any]]
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
        product: The product's own numbers for each note, of evaluation.json; [] for ddsp.
    """

    ids: list[str]
    recordings: Array
    played: Array
    tones: Array
    sounds: Array
    silence: Array
    product: list[dict[str, Any]]

    def write(self, path: Path) -> None:
        """Writes the file; it is there whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part.npz")
        arrays = {name: np.asarray(getattr(self, name), np.float32) for name in _SOUNDS}
        np.savez(partial, facts=json.dumps({"ids": self.ids, "product": self.product}), **arrays)  # type: ignore[arg-type]
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Played:
        """Reads a file."""
        with np.load(path) as found:
            return cls(**json.loads(str(found["facts"])), **{name: found[name] for name in _SOUNDS})


@dataclass(frozen=True)
class Verdict:
    """What the judge says about a model: of each note, the product's own numbers beside it, and of its steady notes."""

    notes: list[Judged]
    steady: Steady
    product: list[dict[str, Any]]


class Judge:
    """Judges files of arrays. It keeps what it hears in a recording, which many models play."""

    def __init__(self) -> None:
        self._heard = dict[bytes, Heard]()

    def verdict(self, path: Path) -> Verdict:
        """Returns the verdict on a file, from the file beside it where that is about the same sounds."""
        known, key = path.with_suffix(".judged.json"), self._key(path)
        if known.exists() and (found := json.loads(known.read_text()))["key"] == key:
            notes = [Judged(**each) for each in found["notes"]]
            return Verdict(notes, Steady(**found["steady"]), found["product"])
        played = Played.read(path)
        notes = [
            judge.judge(recording, sound, self._heard_in(recording))
            for recording, sound in zip(played.recordings, played.played, strict=True)
        ]
        verdict = Verdict(notes, steady.measure(played.tones, played.sounds, played.silence), played.product)
        write_json(known, {"key": key, **asdict(verdict)})
        return verdict

    def _heard_in(self, recording: Array) -> Heard:
        key = hashlib.sha256(np.ascontiguousarray(recording).tobytes()).digest()
        if key not in self._heard:
            self._heard[key] = Heard.of(recording)
        return self._heard[key]

    @staticmethod
    def _key(path: Path) -> str:
        return f"{judge.VERSION} {hashlib.sha256(path.read_bytes()).hexdigest()}"
