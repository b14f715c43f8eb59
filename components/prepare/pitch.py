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
from components.audio.polyphony import MIXED_SHARE, mixed_frames
from components.nsynth.note import HOP_SAMPLES, NOTE_FRAMES, NOTE_SAMPLES, SAMPLE_RATE_HZ, FloatArray

_LEAST_VOICED_SECONDS = 0.09
_LEAST_HEARD_SHARE = 0.1
_HINT_HEARD_SHARE = 0.5
_SOUNDING_DB = -40.0  # below the loudest frame
_NEAR_SEMITONES, _NEAR_SHARE = 1.0, 0.98
_SEARCH_SEMITONES = 8  # around a known pitch; less than an octave, which is the error to rule out


@dataclass(frozen=True)
class Pitch:
    """The pitch of one note.

    Attributes:
        f0_hz: f32[1000]; 0 where the frame is digital silence. Frames without a pitch of their own are interpolated.
        f0_midi: f32[1000], the same in MIDI semitones, 0 where f0_hz is 0.
        f0_confidence: f32[1000], 0..1.
        median_midi: Median over the tracker's frames that have a pitch.
        heard_share: Share of the frames that sound in which a pitch is heard, 0..1.
        disputed_share: Share of the frames with a pitch in which two methods disagree about it, 0..1.
        hint_refused: Whether the pitch that the file's name hints at is not that of the sound.
    """

    f0_hz: FloatArray
    f0_midi: FloatArray
    f0_confidence: FloatArray
    median_midi: float
    heard_share: float = 1.0
    disputed_share: float = 0.0
    hint_refused: bool = False


def find_pitch(
    audio: FloatArray,
    known_midi: int | None = None,
    tracker_name: str = DEFAULT_TRACKER,
    hint_midi: int | None = None,
) -> Pitch | None:
    """Finds the pitch of a note; None where less than 0.09 s of it, or less than a tenth of what sounds, has one.

    Args:
        audio: f32[64000], mono at 16 kHz.
        known_midi: The pitch of the note, if known. The search around it decides between octaves. None is found if it
            is out of the tracker's range.
        tracker_name: One of pitch.TRACKERS.
        hint_midi: What the pitch may be. It decides only where the sound agrees.
    """
    peak = float(np.abs(audio).max())
    if not peak:
        return None
    scaled = audio * np.float32(ANALYSIS_PEAK / peak)
    found = _track(scaled, known_midi, tracker_name)
    hint_refused = False
    if hint_midi is not None and known_midi is None and not _is_near(found, hint_midi):
        hinted = _track_hint(scaled, hint_midi, tracker_name)
        hint_refused = hinted is None
        found = hinted or found
    heard_share = 0.0 if found is None else _heard_share(found, scaled)
    if found is None or heard_share < _LEAST_HEARD_SHARE:
        return None
    f0_hz, confidence = found.on_dataset_frames(NOTE_FRAMES)
    silent = _digital_silence(audio)
    return Pitch(
        f0_hz=np.where(silent, 0.0, f0_hz).astype(np.float32),
        f0_midi=np.where(silent, 0.0, hz_to_midi(f0_hz)).astype(np.float32),
        f0_confidence=np.where(silent, 0.0, confidence).astype(np.float32),
        median_midi=_median_midi(found),
        heard_share=heard_share,
        disputed_share=0.0 if found.disputed is None else float(found.disputed[found.voiced].mean()),
        hint_refused=hint_refused,
    )


def _median_midi(found: PitchTrack) -> float:
    return float(np.median(hz_to_midi(found.f0_hz[found.voiced])))


def _is_near(found: PitchTrack | None, midi: int) -> bool:
    """Tells whether a pitch is heard that agrees with a hint, in nearly all frames."""
    if found is None:
        return False
    return float(np.mean(np.abs(hz_to_midi(found.f0_hz[found.voiced]) - midi) < _NEAR_SEMITONES)) > _NEAR_SHARE


def _track_hint(audio: FloatArray, hint_midi: int, tracker_name: str) -> PitchTrack | None:
    """Returns the track around a hint; None where the sound has another pitch.

    Every pitch has a period an octave below as well: the hint is refused where its first harmonics are missing.
    """
    band = midi_to_hz(hint_midi - _SEARCH_SEMITONES), midi_to_hz(hint_midi + _SEARCH_SEMITONES)
    chosen = tracker(tracker_name, band)
    if not chosen.lowest_hz <= midi_to_hz(hint_midi) <= chosen.highest_hz:
        return None
    found = track(audio, chosen)
    if found.voiced_seconds() < _LEAST_VOICED_SECONDS or _heard_share(found, audio) < _HINT_HEARD_SHARE:
        return None
    if abs(_median_midi(found) - hint_midi) > _NEAR_SEMITONES:
        return None
    found_in = mixed_frames(audio, found.on_frames(NOTE_FRAMES))
    return found if found_in.pitched and found_in.mixed / found_in.pitched <= MIXED_SHARE else None


def _heard_share(found: PitchTrack, audio: FloatArray) -> float:
    """Returns the share of the frames that sound in which the tracker found a pitch, 0..1."""
    samples = round(found.period_seconds * SAMPLE_RATE_HZ)
    squares = np.pad(np.square(audio, dtype=np.float64), (samples // 2, samples))
    frames = min(len(found.f0_hz), len(squares) // samples)
    power = squares[: frames * samples].reshape(frames, samples).mean(axis=1)
    sounding = power > power.max() * 10 ** (_SOUNDING_DB / 10)
    return float(found.voiced[:frames][sounding].mean())


def _track(audio: FloatArray, known_midi: int | None, tracker_name: str) -> PitchTrack | None:
    """Tracks around the known pitch first, then in the tracker's whole range."""
    bands: list[Band | None] = [None]
    if known_midi is not None:
        bands.insert(0, (midi_to_hz(known_midi - _SEARCH_SEMITONES), midi_to_hz(known_midi + _SEARCH_SEMITONES)))
    for band in bands:
        chosen = tracker(tracker_name, band)
        if known_midi is not None and not chosen.lowest_hz <= midi_to_hz(known_midi) <= chosen.highest_hz:
            return None  # what it heard would be another pitch
        found = track(audio, chosen)
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
