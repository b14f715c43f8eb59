"""A look at recordings before anything is learnt from them: what a person would want to be told, in plain words."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from components.audio.f0 import VOICED_CONFIDENCE
from components.audio.levels import CLIPPED_SHARE, silent_frames
from components.audio.timbre import harmonic_to_noise_db
from components.nsynth.note import SAMPLE_RATE_HZ, Note
from components.prepare.recording import Take

_MOSTLY = 0.5
# Of the forty sample notes, the worst had 54 % of their frames below this ratio, thirty-eight less than 10 %; of two of
# them mixed at equal peaks a third had more than 80 %, of three of them half.
_MIXED_RATIO_DB = 3.0
_MIXED_SHARE = 0.6
_LITTLE_SECONDS, _GOOD_SECONDS = 60.0, 600.0


@dataclass(frozen=True)
class Look:
    """What a recording is like.

    Attributes:
        seconds: Its length.
        clipped_share: How much of it lies in flat tops, 0..1.
        silent_share: How much of it is silence, 0..1.
        mixed_share: In how much of what has a pitch there is about as much else as that pitch, 0..1.
    """

    seconds: float
    clipped_share: float
    silent_share: float
    mixed_share: float

    def faults(self) -> list[str]:
        """Returns what is wrong with it, each in words that say what to do."""
        found = []
        if self.clipped_share > CLIPPED_SHARE:
            found.append(
                f"is clipped: {self.clipped_share:.1%} of it lies in flat tops; turn the recording level down "
                "and play it again"
            )
        if self.silent_share > _MOSTLY:
            found.append(f"is mostly silent ({self.silent_share:.0%}); cut the silence off")
        if self.mixed_share > _MIXED_SHARE:
            found.append(
                f"sounds like more than one note at a time, or is very noisy (in {self.mixed_share:.0%} of it); "
                "play single notes, in a quiet room without echo"
            )
        return found


def look(take: Take, notes: list[Note]) -> Look:
    """Looks a recording over.

    Args:
        take: Its sound.
        notes: What was made of it.
    """
    sound = np.concatenate(take.windows)[: round(take.seconds * SAMPLE_RATE_HZ)]
    mixed = [_mixed(note) for note in notes]
    frames, much_else = (sum(counts) for counts in zip(*mixed, strict=True)) if mixed else (0, 0)
    return Look(
        take.seconds, take.clipped_share, float(silent_frames(sound).mean()), much_else / frames if frames else 0.0
    )


def _mixed(note: Note) -> tuple[int, int]:
    """Returns in how many frames a note has a pitch, and in how many of them about as much else."""
    f0_hz = np.where(note.f0_confidence >= VOICED_CONFIDENCE, note.f0_hz, 0.0)
    ratio_db = harmonic_to_noise_db(note.audio, f0_hz)
    pitched = ratio_db[np.isfinite(ratio_db)]
    return len(pitched), int((pitched < _MIXED_RATIO_DB).sum())


def enough(seconds: dict[str, float]) -> list[str]:
    """Returns what there is to say about how much there is of each family, in seconds."""
    found = []
    for family, length in sorted(seconds.items()):
        if length < _LITTLE_SECONDS:
            found.append(
                f"{length:.0f} s of {family} are little: enough to try the way, not for an instrument; "
                f"a minute gives a rough one, {_GOOD_SECONDS / 60:.0f} a good one"
            )
    return found


class Advice:
    """Collects what there is to say about many recordings."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def add(self, name: str, family: str, found: Look) -> None:
        """Takes the next recording."""
        self._seconds[family] += found.seconds
        self.lines += [f"{name} {fault}" for fault in found.faults()]

    def all(self) -> list[str]:
        """Returns everything there is to say."""
        return [*self.lines, *enough(self._seconds)]
