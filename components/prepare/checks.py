"""Checks of recordings before a training: clipping, silence, several notes at once, and how much sound there is."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from components.audio.f0 import confident_hz
from components.audio.levels import CLIPPED_SHARE, frame_levels, silent_share
from components.audio.reading import Sound
from components.audio.timbre import harmonic_to_noise_db
from components.nsynth.note import FloatArray, Note
from components.nsynth.recordings import Recording

_MAX_SILENT_SHARE = 0.5
# Of the forty sample notes, the worst had 54 % of their frames below this ratio, thirty-eight less than 10 %; of two of
# them mixed at equal peaks a third had more than 80 %, of three of them half.
_MIXED_RATIO_DB = 3.0
_MAX_MIXED_SHARE = 0.6
_ROUGH_SECONDS, _GOOD_SECONDS = 60.0, 600.0  # of a family, for a usable and for a good model


@dataclass(frozen=True)
class RecordingCheck:
    """Measurements of a recording.

    Attributes:
        seconds: Its length.
        clipped_share: Share of it that lies in flat tops, 0..1.
        silent_share: Share of it that is silence, 0..1.
        mixed_share: Share of its pitched frames in which that pitch is hardly stronger than the rest, 0..1.
        remarks: What was unusual when it was read, one predicate each.
    """

    seconds: float
    clipped_share: float
    silent_share: float
    mixed_share: float
    remarks: tuple[str, ...] = ()

    def problems(self) -> list[str]:
        """Returns what is wrong with it and what to do, one predicate each ("is clipped: ...")."""
        found = list(self.remarks)
        if self.clipped_share > CLIPPED_SHARE:
            found.append(
                f"is clipped: {self.clipped_share:.1%} of it lies in flat tops, expected {CLIPPED_SHARE:.1%} at most; "
                "lower the recording level and record it again"
            )
        if self.silent_share > _MAX_SILENT_SHARE:
            found.append(
                f"is mostly silent: {self.silent_share:.0%} of it, expected {_MAX_SILENT_SHARE:.0%} at most; "
                "cut the silence out"
            )
        if self.mixed_share > _MAX_MIXED_SHARE:
            found.append(
                f"has more than one note at a time, or much noise: in {self.mixed_share:.0%} of its pitched frames, "
                f"expected {_MAX_MIXED_SHARE:.0%} at most; record single notes in a quiet room without reverberation"
            )
        return found


class RecordingMeter:
    """Measures a recording window by window, in memory that hardly grows with its length."""

    def __init__(self, sound: Sound) -> None:
        self._sound = sound
        self._levels: list[FloatArray] = []
        self._pitched = self._mixed = 0

    def add(self, window: FloatArray, note: Note | None) -> None:
        """Takes the next window, f32[samples] without silence added, and the note that was made of it."""
        self._levels.append(frame_levels(window))
        if note is not None:
            pitched, mixed = _count_mixed(note)
            self._pitched, self._mixed = self._pitched + pitched, self._mixed + mixed

    def result(self) -> RecordingCheck:
        """Returns the measurements."""
        return RecordingCheck(
            self._sound.seconds,
            self._sound.clipped_share,
            silent_share(np.concatenate(self._levels)),
            self._mixed / self._pitched if self._pitched else 0.0,
            self._sound.remarks,
        )


def _count_mixed(note: Note) -> tuple[int, int]:
    """Returns in how many frames a note has a pitch, and in how many of them the rest is about as strong."""
    ratio_db = harmonic_to_noise_db(note.audio, confident_hz(note.f0_hz, note.f0_confidence))
    pitched = ratio_db[np.isfinite(ratio_db)]
    return len(pitched), int((pitched < _MIXED_RATIO_DB).sum())


class CheckReport:
    """Collects the problems of many recordings."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def add(self, recording: Recording, found: RecordingCheck) -> None:
        """Takes the next recording."""
        self._seconds[recording.family] += found.seconds
        self.lines += [f"{recording.name} {problem}" for problem in found.problems()]

    def all(self) -> list[str]:
        """Returns all problems, one line each; a family with too little sound has a line as well."""
        short = [each for each in sorted(self._seconds.items()) if each[1] < _ROUGH_SECONDS]
        return [*self.lines, *(_too_little(*each) for each in short)]


def _too_little(family: str, seconds: float) -> str:
    return (
        f"the family {family} has only {seconds:.0f} s of sound, enough to test the pipeline; expected "
        f"{_ROUGH_SECONDS:.0f} s or more for a usable model and {_GOOD_SECONDS / 60:.0f} minutes for a good one"
    )
