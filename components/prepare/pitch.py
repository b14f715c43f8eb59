"""Pitch of a note as the data set's records hold it: f0 on the data set's frames, in Hz and MIDI, with confidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.audio.f0 import hz_to_midi, midi_to_hz
from components.audio.pitch import (
    ANALYSIS_PEAK,
    DATASET_WINDOW_SAMPLES,
    DEFAULT_TRACKER,
    Band,
    PitchTrack,
    track,
    tracker,
)
from components.nsynth.note import HOP_SAMPLES, NOTE_FRAMES, NOTE_SAMPLES, FloatArray

_LEAST_VOICED_SECONDS = 0.09
_SEARCH_SEMITONES = 8  # around a known pitch; less than an octave, which is the error to rule out


@dataclass(frozen=True)
class Pitch:
    """The pitch of one note.

    Attributes:
        f0_hz: f32[1000]; 0 where the frame is digital silence. Frames without a pitch of their own are interpolated.
        f0_midi: f32[1000], the same in MIDI semitones, 0 where f0_hz is 0.
        f0_confidence: f32[1000], 0..1.
        median_midi: Median over the tracker's frames that have a pitch.
    """

    f0_hz: FloatArray
    f0_midi: FloatArray
    f0_confidence: FloatArray
    median_midi: float


def find_pitch(audio: FloatArray, known_midi: int | None = None, tracker_name: str = DEFAULT_TRACKER) -> Pitch | None:
    """Finds the pitch of a note; None where less than 0.09 s of it has one.

    Args:
        audio: f32[64000], mono at 16 kHz.
        known_midi: The pitch of the note, if known. The search around it avoids octave errors.
        tracker_name: One of pitch.TRACKERS.
    """
    peak = float(np.abs(audio).max())
    found = _track(audio * (ANALYSIS_PEAK / peak), known_midi, tracker_name) if peak else None
    if found is None:
        return None
    f0_hz, confidence = found.on_dataset_frames(NOTE_FRAMES)
    silent = _digital_silence(audio)
    return Pitch(
        f0_hz=np.where(silent, 0.0, f0_hz).astype(np.float32),
        f0_midi=np.where(silent, 0.0, hz_to_midi(f0_hz)).astype(np.float32),
        f0_confidence=np.where(silent, 0.0, confidence).astype(np.float32),
        median_midi=float(np.median(hz_to_midi(found.f0_hz[found.voiced]))),
    )


def _track(audio: FloatArray, known_midi: int | None, tracker_name: str) -> PitchTrack | None:
    """Tracks around the known pitch first, then in the tracker's whole range."""
    bands: list[Band | None] = [None]
    if known_midi is not None:
        bands.insert(0, (midi_to_hz(known_midi - _SEARCH_SEMITONES), midi_to_hz(known_midi + _SEARCH_SEMITONES)))
    for band in bands:
        found = track(audio, tracker(tracker_name, band))
        if found.voiced_seconds() >= _LEAST_VOICED_SECONDS:
            return found
    return None


def _digital_silence(audio: FloatArray) -> npt.NDArray[np.bool_]:
    """Returns bool[1000]: frames whose window holds nothing but zeros; the data set's f0 is 0 there."""
    nonzero = np.concatenate([audio != 0.0, np.zeros(DATASET_WINDOW_SAMPLES, bool)])
    before = np.concatenate([[0], np.cumsum(nonzero)])
    starts = np.arange(0, NOTE_SAMPLES, HOP_SAMPLES)
    silent: npt.NDArray[np.bool_] = before[starts + DATASET_WINDOW_SAMPLES] == before[starts]
    return silent
