"""Pitch trackers: one interface, the default tracker, and the alignment of their frames to the models' 250 Hz frames.

Two conventions say which time a frame of f0 is about. `PitchTrack.on_frames` takes sample 64 * i, at which a model
renders frame i: transfer and evaluation. `PitchTrack.on_dataset_frames` takes sample 64 * i + 512, the centre of the
window of 1024 samples that CREPE analysed for the data set: the records of `prepare`. On steady notes both agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from swift_f0 import FMAX, FMIN, FRAME_PERIOD, PitchResult, SwiftF0

from components.audio.f0 import VOICED_CONFIDENCE, interpolate_hz
from components.audio.periodicity import HIGHEST_HZ, LOWEST_HZ, Candidates, PeriodFinder, likeliest, octave_cost
from components.core.errors import InputError, nearest
from components.nsynth.note import HOP_SAMPLES, SAMPLE_RATE_HZ, FloatArray

DEFAULT_TRACKER = "swift-f0"
ANALYSIS_PEAK = 0.5
"""What audio is scaled to before it is tracked: swift-f0 takes a peak below 0.001 for silence."""
DATASET_WINDOW_SAMPLES = 1024
"""Of the data set's CREPE: frame i was found in the samples from 64 * i on."""

# Chosen on 145 notes of eleven families and 24 melodies of twelve instruments rendered by a General MIDI synthesizer.
_SUPPORT = 0.2  # of a candidate that swift-f0 is sure of, against strengths of 0..1
_UNCONFIRMED = 0.6  # strength of what swift-f0 is sure of and autocorrelation does not find
_NOISY, _IN_NOISE = 0.6, 0.9  # the same where noise leaves no stronger period
_SAME_OCTAVES = 50 / 1200
# Where the sound repeats itself exactly after one period, a clearly weaker one is not the pitch, however short: a
# narrow formant has such a period, octaves above the pitch.
_EXACT, _CLEARLY_WEAKER, _INEXACT = 0.99, 0.08, 0.1
_NO_ODD_HARMONICS = 0.004  # by which half a period is weaker where the odd harmonics are 27 dB below the even ones
_DISPUTED_MARGIN = 0.27  # of scores; where a candidate is better by more, there is no doubt about it
_QUIET_DB = -50.0
_EXCLUDED = -10.0

_SHORTEST_VOICED_SECONDS = 0.048  # three frames of swift-f0: a shorter run is an error of the tracker
_Array = npt.NDArray[np.floating[Any]]
Band = tuple[float, float]
"""Lowest and highest pitch, in Hz."""


@dataclass(frozen=True)
class PitchTrack:
    """What a tracker found, on its own frames.

    Attributes:
        period_seconds: Distance of its frames; frame 0 is about second 0.
        f0_hz: Pitch, [frames]; meaningless where the confidence is low.
        confidence: 0..1, [frames]; see f0.VOICED_CONFIDENCE.
        disputed: Where two methods disagree about the pitch and neither is much likelier, bool[frames]; None for a
            tracker of one method.
    """

    period_seconds: float
    f0_hz: _Array
    confidence: _Array
    disputed: npt.NDArray[np.bool_] | None = None

    @property
    def seconds(self) -> _Array:
        """Time of each frame, [frames]."""
        return np.arange(len(self.f0_hz)) * self.period_seconds

    @property
    def voiced(self) -> npt.NDArray[np.bool_]:
        """Which frames have a pitch, bool[frames]."""
        return np.asarray(self.confidence >= VOICED_CONFIDENCE)

    def voiced_seconds(self) -> float:
        """Returns how much of the sound has a pitch."""
        return float(np.count_nonzero(self.voiced)) * self.period_seconds

    def on_frames(self, frames: int) -> FloatArray:
        """Returns f0 in Hz at samples 64 * i, f32[frames]; 0 where there is none.

        A frame has a pitch where the tracker's nearest frame has, and that is in a run of 48 ms or more.
        """
        voiced = _long_runs(self.voiced, math.ceil(_SHORTEST_VOICED_SECONDS / self.period_seconds - 1e-6))
        if not voiced.any():
            return np.zeros(frames, np.float32)
        seconds = np.arange(frames) * HOP_SAMPLES / SAMPLE_RATE_HZ
        f0_hz = interpolate_hz(seconds, self.seconds[voiced], self.f0_hz[voiced])
        return np.where(voiced[self._nearest(seconds)], f0_hz, 0.0).astype(np.float32)

    def on_dataset_frames(self, frames: int) -> tuple[_Array, _Array]:
        """Returns f0 in Hz and confidence at samples 64 * i + 512, f64[frames] each; f0 is interpolated across gaps.

        The track has a pitch somewhere.
        """
        seconds = (np.arange(frames) * HOP_SAMPLES + DATASET_WINDOW_SAMPLES // 2) / SAMPLE_RATE_HZ
        f0_hz = interpolate_hz(seconds, self.seconds[self.voiced], self.f0_hz[self.voiced])
        return f0_hz, np.interp(seconds, self.seconds, self.confidence)

    def _nearest(self, seconds: _Array) -> npt.NDArray[np.intp]:
        own = self.seconds
        after = np.clip(np.searchsorted(own, seconds), 1, len(own) - 1)
        return np.asarray(after - (seconds - own[after - 1] < own[after] - seconds))


class Tracker(Protocol):
    """Finds the pitch of one sound, block by block, in memory that does not grow with the sound.

    Attributes:
        lowest_hz: Lower end of the range it searches.
        highest_hz: Upper end.
        slow: Whether it takes about as long as the sound, or longer.
    """

    lowest_hz: float
    highest_hz: float
    slow: bool

    def push(self, audio: FloatArray) -> None:
        """Takes the next block, f32[samples] at 16 kHz, -1..1; scale quiet sounds to ANALYSIS_PEAK."""

    def finish(self) -> PitchTrack:
        """Returns the track. Call it once, after the last block."""


TrackerFactory = Callable[[Band | None], Tracker]
"""Makes a tracker that searches a band, or its whole range for None."""


def within(band_hz: Band | None, lowest_hz: float, highest_hz: float) -> Band:
    """Returns the part of a band that lies in a tracker's range; the range where that is less than a semitone."""
    low, high = band_hz or (lowest_hz, highest_hz)
    low, high = max(low, lowest_hz), min(high, highest_hz)
    return (low, high) if high >= low * 2 ** (1 / 12) else (lowest_hz, highest_hz)


def _long_runs(mask: npt.NDArray[np.bool_], shortest: int) -> npt.NDArray[np.bool_]:
    """Returns the mask without runs of True that are shorter than `shortest`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    kept = np.zeros_like(mask)
    for start, end in edges.reshape(-1, 2):
        kept[start:end] = end - start >= shortest
    return kept


@cache
def _swift_f0() -> SwiftF0:
    # One thread that never spins: a model often runs at the same time, and more threads hardly help.
    return SwiftF0(threads=1, spin=False)


class SwiftF0Tracker:
    """swift-f0, checked against the periods of the sound. See `Tracker`.

    swift-f0 is precise and hears through noise, but takes a strong overtone for the pitch, and knows only 47 to 2094
    Hz. Autocorrelation errs elsewhere: of overlapping notes it finds a common period. Each frame has the candidates of
    both; what swift-f0 says counts more, unless the sound hardly repeats itself after that period.
    """

    slow = False

    def __init__(self, band_hz: Band | None = None) -> None:
        """Takes the band to search, within 20 to 4300 Hz."""
        self.lowest_hz, self.highest_hz = within(band_hz, LOWEST_HZ, HIGHEST_HZ)
        self._stream = _swift_f0().stream(*within((self.lowest_hz, self.highest_hz), FMIN, FMAX))
        highest_hz = np.inf if self.highest_hz == HIGHEST_HZ else self.highest_hz  # see `_decide`
        self._parts, self._periods = list[PitchResult](), PeriodFinder(self.lowest_hz, highest_hz)

    def push(self, audio: FloatArray) -> None:
        self._parts.append(self._stream.push(audio, SAMPLE_RATE_HZ))
        self._periods.push(audio)

    def finish(self) -> PitchTrack:
        self._parts.append(self._stream.flush())
        f0_hz = np.concatenate([part.pitch_hz for part in self._parts])
        confidence = np.concatenate([part.confidence for part in self._parts])
        return self._decide(PitchTrack(FRAME_PERIOD, f0_hz, confidence), self._periods.finish(len(f0_hz)))

    def _decide(self, heard: PitchTrack, periods: Candidates) -> PitchTrack:
        """Returns the likeliest path through what swift-f0 heard and the periods that were found."""
        f0_hz = np.column_stack([periods.f0_hz, np.where(heard.voiced, heard.f0_hz, 0.0)])
        octaves = np.log2(np.maximum(f0_hz, 1.0) / np.maximum(heard.f0_hz, 1.0)[:, None])
        near = (np.abs(octaves) < _SAME_OCTAVES) & heard.voiced[:, None]
        # A sound hardly louder than the room has periods too: those of a hum.
        quiet = periods.power < periods.power.max(initial=0.0) * 10 ** (_QUIET_DB / 10)
        strength = np.column_stack([np.where(quiet[:, None], 0.0, periods.strength), np.zeros(len(f0_hz))])
        alone = np.where(strength.max(axis=1) < _NOISY, _IN_NOISE, _UNCONFIRMED) * heard.confidence * heard.voiced
        strength[:, -1] = np.maximum((strength * near).max(axis=1), alone)
        # Of a sound without odd harmonics of what swift-f0 heard, the pitch is the octave above. Above its range
        # swift-f0 hears an octave too low, or more.
        even = (np.abs(octaves - 1) < _SAME_OCTAVES) & (strength >= strength[:, -1:] - _NO_ODD_HARMONICS)
        supported = near | ((even | (f0_hz > FMAX)) & heard.voiced[:, None])
        best = strength.max(axis=1, keepdims=True)
        inexact = ~supported & (best >= _EXACT) & (strength < best - _CLEARLY_WEAKER)
        score = strength - octave_cost(f0_hz) - _INEXACT * inexact
        score += _SUPPORT * supported * heard.confidence[:, None]
        searched = (f0_hz >= self.lowest_hz) & (f0_hz <= self.highest_hz)
        too_high = (f0_hz > HIGHEST_HZ) & (self.highest_hz == HIGHEST_HZ)  # has no pitch in the range
        path = likeliest(f0_hz, np.where(searched | too_high, score, _EXCLUDED))
        frame = np.arange(len(path))
        agreed, certainty = near[frame, path], np.where(searched[frame, path], strength[frame, path] ** 2, 0.0)
        doubtful = score[frame, path] - score[:, -1] < _DISPUTED_MARGIN
        doubtful &= ~_mostly_in_notes(agreed, f0_hz[frame, path])
        return PitchTrack(
            FRAME_PERIOD,
            np.where(agreed, heard.f0_hz, f0_hz[frame, path]),
            np.where(agreed, np.maximum(heard.confidence, certainty), certainty),
            np.asarray(heard.voiced & ~agreed & (certainty >= VOICED_CONFIDENCE) & doubtful),
        )


def _mostly_in_notes(agreed: npt.NDArray[np.bool_], f0_hz: _Array) -> npt.NDArray[np.bool_]:
    """Tells of each frame whether most frames of its note agree, bool[frames]; a note ends where the pitch jumps."""
    jumps = np.abs(np.diff(np.log2(np.maximum(f0_hz, 1.0)), prepend=0.0)) > _SAME_OCTAVES
    note = np.cumsum(jumps)
    share = np.bincount(note, agreed) / np.maximum(np.bincount(note), 1)
    return np.asarray(share[note] > 0.5)


def _crepe(band_hz: Band | None) -> Tracker:
    from components.audio.crepe import CrepeTracker

    return CrepeTracker(band_hz)


TRACKERS: dict[str, TrackerFactory] = {"swift-f0": SwiftF0Tracker, "crepe": _crepe}
"""The trackers, by name."""


def tracker(name: str = DEFAULT_TRACKER, band_hz: Band | None = None) -> Tracker:
    """Returns a new tracker.

    Args:
        name: One of TRACKERS.
        band_hz: Lowest and highest pitch to search for; None for the tracker's whole range, which also replaces a
            band outside it.

    Raises:
        InputError: There is no tracker of that name, or what it needs is not installed.
    """
    if name not in TRACKERS:
        raise InputError(f"--pitch is '{name}': {nearest(name, TRACKERS)}")
    return TRACKERS[name](band_hz)


def track(audio: FloatArray, chosen: Tracker | None = None) -> PitchTrack:
    """Returns the pitch of a whole sound, f32[samples] at 16 kHz, by a new tracker; swift-f0 where there is none."""
    chosen = chosen or tracker()
    chosen.push(audio)
    return chosen.finish()
