"""Fundamental frequency on the data set's frames, by swift-f0.

The data set's f0 comes from CREPE on windows of 1024 samples that start at sample 64 * i, so frame i is about the time
of that window's centre, 64 * i + 512. swift-f0 gives a pitch every 256 samples, about the time of that sample. Measured
against the CREPE pitch of real notes, the error is smallest at exactly this alignment.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from swift_f0 import FMAX, FMIN, PitchResult, SwiftF0

from components.nsynth.note import HOP_SAMPLES, NOTE_FRAMES, NOTE_SAMPLES, SAMPLE_RATE_HZ, FloatArray

_WINDOW_SAMPLES = 1024
_VOICED = 0.5  # swift-f0's confidence is calibrated to this threshold
_FEWEST_VOICED_FRAMES = 6  # about 0.1 s
_PEAK = 0.5  # what the audio is scaled to: swift-f0 takes a peak below 0.001 for silence, and soft notes have less
_SEARCH_SEMITONES = 8  # around a known pitch; less than an octave, which is the mistake to rule out


@dataclass(frozen=True)
class Pitch:
    """The pitch of one note.

    Attributes:
        f0_hz: f32[1000]; 0 where the frame is digital silence. Frames without a pitch of their own take on the nearest.
        f0_midi: f32[1000], the same in MIDI semitones, 0 where f0_hz is 0.
        f0_confidence: f32[1000], 0..1.
        median_midi: Median over the frames that have a pitch.
    """

    f0_hz: FloatArray
    f0_midi: FloatArray
    f0_confidence: FloatArray
    median_midi: float


def find_pitch(audio: FloatArray, known_midi: int | None = None) -> Pitch | None:
    """Finds the pitch of a note; None where less than 0.1 s of it has one.

    Args:
        audio: f32[64000], mono at 16 kHz.
        known_midi: The pitch that was played, if known. It keeps the search clear of octave errors.
    """
    peak = float(np.abs(audio).max())
    found = _detect(audio * (_PEAK / peak), known_midi) if peak else None
    if found is None:
        return None
    voiced = found.confidence >= _VOICED
    octaves = np.log2(found.pitch_hz)
    centre_seconds = (np.arange(NOTE_FRAMES) * HOP_SAMPLES + _WINDOW_SAMPLES // 2) / SAMPLE_RATE_HZ
    f0_hz = 2.0 ** np.interp(centre_seconds, found.timestamps[voiced], octaves[voiced])
    confidence = np.interp(centre_seconds, found.timestamps, found.confidence)
    midi = 69.0 + 12.0 * np.log2(f0_hz / 440.0)
    sounding = ~_silent_frames(audio)
    return Pitch(
        f0_hz=np.where(sounding, f0_hz, 0.0).astype(np.float32),
        f0_midi=np.where(sounding, midi, 0.0).astype(np.float32),
        f0_confidence=np.where(sounding, confidence, 0.0).astype(np.float32),
        median_midi=float(np.median(69.0 + 12.0 * (octaves[voiced] - np.log2(440.0)))),
    )


@cache
def _detector() -> SwiftF0:
    return SwiftF0()


def _detect(audio: FloatArray, known_midi: int | None) -> PitchResult | None:
    bands = [(FMIN, FMAX)]
    if known_midi is not None:
        low, high = (440.0 * 2.0 ** ((known_midi + side * _SEARCH_SEMITONES - 69) / 12) for side in (-1, 1))
        if high > FMIN and low < FMAX:
            bands.insert(0, (low, high))
    for low, high in bands:
        found = _detector().detect(audio, SAMPLE_RATE_HZ, fmin=low, fmax=high)
        if np.count_nonzero(found.confidence >= _VOICED) >= _FEWEST_VOICED_FRAMES:
            return found
    return None


def _silent_frames(audio: FloatArray) -> npt.NDArray[np.bool_]:
    """Returns bool[1000]: frames whose window holds nothing but zeros, as in the data set."""
    nonzero = np.concatenate([audio != 0.0, np.zeros(_WINDOW_SAMPLES, bool)])
    before = np.concatenate([[0], np.cumsum(nonzero)])
    starts = np.arange(0, NOTE_SAMPLES, HOP_SAMPLES)
    silent: npt.NDArray[np.bool_] = before[starts + _WINDOW_SAMPLES] == before[starts]
    return silent
