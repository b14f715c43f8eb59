"""Who finds the pitch of a recording, and how it comes to the models' frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from swift_f0 import FMAX, FMIN, PitchResult, SwiftF0

from components.core.errors import InputError, nearest
from components.nsynth.note import HOP_SAMPLES, SAMPLE_RATE_HZ, FloatArray

_VOICED = 0.5  # swift-f0's confidence is calibrated to this threshold
_SHORTEST_VOICED = 3  # of its frames, 48 ms: what is shorter is a stray


class Found(NamedTuple):
    """What a tracker found: when (evenly spaced), which pitch, and whether there is one, [frames] each."""

    seconds: npt.NDArray[np.floating[Any]]
    pitch_hz: npt.NDArray[np.floating[Any]]
    voiced: npt.NDArray[np.bool_]


class Tracker(Protocol):
    """Finds pitch block by block, in memory that does not grow with the sound.

    Attributes:
        lowest_hz: What it hears from.
        highest_hz: And up to.
        slow: Whether that takes as long as the sound, or longer.
    """

    lowest_hz: float
    highest_hz: float
    slow: bool

    def push(self, audio: FloatArray) -> None:
        """Takes the next block, f32[samples] at 16 kHz, -1..1, of a peak of 0.001 or more."""

    def finish(self) -> Found:
        """Returns what was found. Called once, after the last block."""


def tracker(name: str) -> Tracker:
    """Returns a new tracker.

    Raises:
        InputError: There is none of that name, or what it needs is not installed.
    """
    if name not in _TRACKERS:
        raise InputError(f"--pitch is '{name}': {nearest(name, _TRACKERS)}")
    return _TRACKERS[name]()


def on_frames(frames: int, found: Found) -> FloatArray:
    """Brings a tracker's pitch to 250 frames a second: f0 in Hz, f32[frames]; 0 where there is none."""
    times, pitch_hz, voiced = found
    if not voiced.any():
        return np.zeros(frames, np.float32)
    if len(times) == 1:
        return np.full(frames, pitch_hz[0], np.float32)
    seconds = np.arange(frames) * HOP_SAMPLES / SAMPLE_RATE_HZ
    after = np.clip(np.searchsorted(times, seconds), 1, len(times) - 1)
    closer = after - (seconds - times[after - 1] < times[after] - seconds)
    octaves = np.interp(seconds, times[voiced], np.log2(pitch_hz[voiced]))
    return np.where(voiced[closer], 2.0**octaves, 0.0).astype(np.float32)


def long_runs(mask: npt.NDArray[np.bool_], shortest: int) -> npt.NDArray[np.bool_]:
    """Returns the mask without runs of True that are shorter than `shortest`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    kept = np.zeros_like(mask)
    for start, end in edges.reshape(-1, 2):
        kept[start:end] = end - start >= shortest
    return kept


class _Swift:
    """swift-f0: sixty pitches a second, a hundred times as fast as it plays."""

    lowest_hz, highest_hz = FMIN, FMAX
    slow = False

    def __init__(self) -> None:
        self._stream, self._found = SwiftF0(spin=False).stream(), list[PitchResult]()

    def push(self, audio: FloatArray) -> None:
        self._found.append(self._stream.push(audio, SAMPLE_RATE_HZ))

    def finish(self) -> Found:
        self._found.append(self._stream.flush())
        names = ("timestamps", "pitch_hz", "confidence")
        seconds, pitch_hz, confidence = (
            np.concatenate([getattr(part, name) for part in self._found]) for name in names
        )
        return Found(seconds, pitch_hz, long_runs(confidence >= _VOICED, _SHORTEST_VOICED))


def _crepe() -> Tracker:
    from components.transfer.crepe import Crepe  # with TensorFlow, which swift-f0 does without

    return Crepe()


_TRACKERS: dict[str, Callable[[], Tracker]] = {"swift-f0": _Swift, "crepe": _crepe}
DEFAULT = "swift-f0"
