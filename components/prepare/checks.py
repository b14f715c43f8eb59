"""Checks of recordings before a training: clipping, silence, several notes at once, and how much sound there is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container
from dataclasses import dataclass, replace

import numpy as np

from components.audio.f0 import confident_hz, melody_name, note_name
from components.audio.levels import CLIPPED_SHARE, frame_levels, silent_share
from components.audio.polyphony import MIXED_SHARE, MIXED_STEADY_SHARE, mixed_frames
from components.audio.reading import Sound
from components.nsynth.note import FloatArray, Note
from components.nsynth.recordings import Recording
from components.prepare.pitch import Pitch

_MAX_SILENT_SHARE = 0.5
_LEAST_HEARD_SHARE = 0.5
_MAX_DISPUTED_SHARE = 0.1
_ROUGH_SECONDS, _GOOD_SECONDS = 60.0, 600.0  # of a family, for a usable and for a good model

_RANGE_STRIDE = 25  # frames: ten pitches a second are kept of each recording
_NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True)
class RecordingCheck:
    """Measurements of a recording.

    Attributes:
        seconds: Its length.
        clipped_share: Share of it that lies in flat tops, 0..1.
        silent_share: Share of it that is silence, 0..1.
        mixed_share: Share of its pitched frames that have several notes at a time, 0..1; see audio.polyphony.
        heard_share: Share of the frames that sound in which a pitch is heard, 0..1.
        disputed_share: Share of the frames with a pitch in which two methods disagree about it, 0..1; 0 where the name
            tells the pitch.
        pitch: Its note or range of notes, "E4" or "C4 to B5".
        is_melody: Whether it has several notes, one after the other.
        refused_hint: The note that its name tells and that is not heard; "" for none.
        remarks: What was unusual when it was read, one predicate each.
    """

    seconds: float
    clipped_share: float
    silent_share: float
    mixed_share: float
    heard_share: float = 1.0
    disputed_share: float = 0.0
    pitch: str = ""
    is_melody: bool = False
    refused_hint: str = ""
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
        return found + self._problems_of_pitch()

    def _problems_of_pitch(self) -> list[str]:
        found = []
        if self.mixed_share > MIXED_SHARE:
            found.append(
                f"has more than one note at a time, or much noise: in {self.mixed_share:.0%} of its pitched frames, "
                f"expected {MIXED_SHARE:.0%} at most; record single notes in a quiet room without reverberation"
            )
        if self.heard_share < _LEAST_HEARD_SHARE:
            found.append(
                f"has a pitch ({self.pitch}) in only {self.heard_share:.0%} of its sounding frames, expected "
                f"{_LEAST_HEARD_SHARE:.0%} or more: its pitch is uncertain"
            )
        if self.refused_hint:
            found.append(f"is named {self.refused_hint}, but {self.pitch} is heard: the sound decides")
        elif self.disputed_share > _MAX_DISPUTED_SHARE and self.mixed_share <= MIXED_SHARE:
            found.append(
                f"has an uncertain octave: two methods disagree in {self.disputed_share:.0%} of its frames, "
                f"{self.pitch} was taken; if that is wrong, put the note into the file's name (E4)"
            )
        if self.is_melody:
            found.append(
                f"is a melody, {self.pitch}: each frame has its own pitch; the one label of its records is the "
                "middle note"
            )
        return found


class RecordingMeter:
    """Measures a recording window by window, in memory that hardly grows with its length."""

    def __init__(self, recording: Recording, sound: Sound) -> None:
        self._sound = sound
        self._levels: list[FloatArray] = []
        self._recording = recording
        self._pitched = self._mixed = self._steady = 0
        self._pitches: list[Pitch] = []
        self._is_melody = False
        self._f0_hz = np.zeros(0, np.float32)

    def add(self, window: FloatArray, note: Note | None, pitch: Pitch | None) -> None:
        """Takes the next window, f32[samples] without silence added, the note that was made of it, and its pitch."""
        self._levels.append(frame_levels(window))
        if note is None or pitch is None:
            return
        f0_hz = confident_hz(note.f0_hz, note.f0_confidence)
        pitched, mixed, steady = mixed_frames(note.audio, f0_hz)
        self._pitched, self._mixed, self._steady = self._pitched + pitched, self._mixed + mixed, self._steady + steady
        self._pitches.append(replace(pitch, f0_hz=_NOTHING, f0_midi=_NOTHING, f0_confidence=_NOTHING))
        self._is_melody |= bool(melody_name(f0_hz))
        self._f0_hz = np.concatenate([self._f0_hz, f0_hz[::_RANGE_STRIDE]])

    def result(self) -> RecordingCheck:
        """Returns the measurements."""
        return RecordingCheck(
            self._sound.seconds,
            self._sound.clipped_share,
            silent_share(np.concatenate(self._levels)),
            self._mixed_share(),
            self._mean(lambda pitch: pitch.heard_share, 1.0),
            0.0 if self._is_named() else self._mean(lambda pitch: pitch.disputed_share, 0.0),
            self._pitch_name(),
            self._is_melody and self._mixed_share() <= MIXED_SHARE,
            self._refused_hint(),
            self._sound.remarks,
        )

    def _mixed_share(self) -> float:
        """Returns 0 for a quick melody: the windows of its frames have several notes, one after the other."""
        if not self._pitched or (self._is_melody and self._steady <= MIXED_STEADY_SHARE * self._pitched):
            return 0.0
        return self._mixed / self._pitched

    def _is_named(self) -> bool:
        """Tells whether the name tells the pitch, and the sound agrees with it."""
        told = self._recording.pitch is not None or self._recording.pitch_hint is not None
        return told and not any(each.hint_refused for each in self._pitches)

    def _mean(self, value: Callable[[Pitch], float], otherwise: float) -> float:
        return float(np.mean([value(each) for each in self._pitches])) if self._pitches else otherwise

    def _pitch_name(self) -> str:
        if not self._pitches:
            return ""
        middle = note_name(round(float(np.median([each.median_midi for each in self._pitches]))))
        return melody_name(self._f0_hz) or middle

    def _refused_hint(self) -> str:
        hint = self._recording.pitch_hint
        refused = [each.hint_refused for each in self._pitches]
        return note_name(hint) if hint is not None and refused and all(refused) and not self._is_melody else ""


class CheckReport:
    """Collects the problems of many recordings."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._first_names: dict[tuple[int, str], str] = {}

    def add(self, recording: Recording, found: RecordingCheck) -> None:
        """Takes the next recording."""
        first = self._first_names.setdefault((recording.info.size, recording.info.crc32c), recording.name)
        if first != recording.name:
            self.lines.append(
                f"{recording.name} is a copy of {first}: if one is held out, the model was trained on the other, and "
                "the evaluation says nothing of new notes; leave one of them out"
            )
        self._seconds[recording.family] += found.seconds
        self.lines += [f"{recording.name} {problem}" for problem in found.problems()]

    def all(self, too_small: Container[str] = ()) -> list[str]:
        """Returns all problems, one line each; a family with little sound has a line as well.

        Args:
            too_small: Families with too little to be prepared: they have a line elsewhere.
        """
        short = [
            (family, seconds)
            for family, seconds in sorted(self._seconds.items())
            if seconds < _ROUGH_SECONDS and family not in too_small
        ]
        return [*self.lines, *(_too_little(*each) for each in short)]


def _too_little(family: str, seconds: float) -> str:
    return (
        f"the family {family} has only {seconds:.2g} s of sound, enough to test the pipeline; expected "
        f"{_ROUGH_SECONDS:.0f} s or more for a usable model and {_GOOD_SECONDS / 60:.0f} minutes for a good one"
    )
