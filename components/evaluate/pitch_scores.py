"""Scores of pitch: the recording and the resynthesis are tracked anew, and told apart is a wrong label from wrong play.

The pitch of a record may be wrong, and the tracker that made it cannot see that. So three pitches are compared: that of
the record (what the model was asked for), that of the recording and that of the resynthesis. Where two of them are more
than 50 cents apart, a second method (audio.swipe) says which of the two explains the spectrum better. It must explain
the spectrum, or what was tracked stays: a sound without any clear pitch is not at the right one.

A frame is right where the resynthesis has the pitch of the recording at most 32 ms earlier or later. A record's frame
is about a time 32 ms later than a model's (see audio.pitch), so that a slide into a note is played early by that much.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.artifacts.scores import LABEL_WRONG, PLAYED_WRONG, rounded
from components.audio import pitch, swipe
from components.audio.pitch import DATASET_WINDOW_SAMPLES
from components.nsynth.note import HOP_SAMPLES, NOTE_FRAMES

Array = NDArray[np.floating[Any]]

RIGHT_CENTS = 50.0
"""Nearer to the pitch asked for than to the next quarter tone."""
_RIGHT_SHARE = 0.8  # of the frames: less is a finding
_PITCHED_SHARE = 0.1  # of the sounding frames: a recording with less has no pitch
_SECOND_OPINIONS = 100  # frames of a sound at most, evenly spread
_SILENT_PEAK = 1e-5
_MARGIN = 0.02  # by which the second method must prefer one pitch to the other
# A pitch that explains a spectrum less does not explain it: in white noise and in sinusoids at random frequencies, the
# best pitch has up to 0.2; in nearly all frames of recordings, their decay included, the right one has 0.3 and more.
_LEAST_STRENGTH = 0.2
_LATE_FRAMES = DATASET_WINDOW_SAMPLES // 2 // HOP_SAMPLES  # 32 ms


@dataclass(frozen=True)
class PitchScores:
    """The scores of a note's pitch; see artifacts.scores.Numbers and NoteNumbers."""

    error_cents: float | None = None
    within_share: float | None = None
    heard_share: float | None = None
    played_error_cents: float | None = None
    label_error_cents: float | None = None
    finding: str = ""


def heard_hz(audio: Array) -> Array:
    """Returns the pitch that is tracked in a note, whatever its level, in Hz, f32[frames]; 0 where there is none."""
    return _tracked(np.asarray(audio, np.float32).tobytes()).copy()


@lru_cache(
    maxsize=64
)  # scores, listening samples and worst notes are of the same sounds, recordings of all synths: 16 MB
def _tracked(audio: bytes) -> Array:
    sound = np.frombuffer(audio, np.float32)
    peak = float(np.abs(sound).max())
    if peak < _SILENT_PEAK:
        return np.zeros(NOTE_FRAMES, np.float32)
    return pitch.track(sound * np.float32(pitch.ANALYSIS_PEAK / peak)).on_frames(NOTE_FRAMES)


def pitch_scores(
    recording: Array, played: Array, label_hz: Array, sounding: NDArray[np.bool_], octaves: int = 0
) -> PitchScores:
    """Compares the pitches of a note.

    Args:
        recording: The note's audio, f32[samples].
        played: The resynthesis, the same shape.
        label_hz: The pitch of its record in Hz, [frames]; 0 where it is not to be trusted.
        sounding: Where the note sounds, bool[frames].
        octaves: By how many octaves the label was moved before the resynthesis.
    """
    recorded_hz, played_hz = (np.where(sounding, heard_hz(each), 0.0) for each in (recording, played))
    if (recorded_hz > 0).sum() < _PITCHED_SHARE * max(int(sounding.sum()), 1):
        return PitchScores()
    asked_hz = np.where(sounding, label_hz, 0.0)
    recorded_hz = _reconsidered(recording, recorded_hz, asked_hz)
    moved_hz = recorded_hz * 2.0**octaves
    for reference_hz in (asked_hz * 2.0**octaves, moved_hz):
        played_hz = _reconsidered(played, played_hz, reference_hz)
    error, asked_error, label_error = (
        _cents(one, other)
        for one, other in ((played_hz, moved_hz), (played_hz, asked_hz * 2.0**octaves), (asked_hz, recorded_hz))
    )
    pitched = recorded_hz > 0
    played_error = np.where(asked_hz > 0, asked_error, error)  # nothing trusted was asked elsewhere
    nearest = _nearest_cents(moved_hz, played_hz)[pitched]
    return PitchScores(
        error_cents=_median(error),
        within_share=rounded((nearest <= RIGHT_CENTS).mean()),
        heard_share=rounded(np.isfinite(nearest).mean()),
        played_error_cents=_median(asked_error),
        label_error_cents=_median(label_error),
        finding=_finding(label_error, played_error, pitched),
    )


def _finding(label_error: Array, played_error: Array, pitched: NDArray[np.bool_]) -> str:
    """Returns what is wrong; the label first, because a model cannot play right what it is asked wrong."""
    known = np.isfinite(label_error)
    if known.any() and (label_error[known] <= RIGHT_CENTS).mean() < _RIGHT_SHARE:
        return LABEL_WRONG
    return PLAYED_WRONG if (played_error[pitched] <= RIGHT_CENTS).mean() < _RIGHT_SHARE else ""


def _cents(one_hz: Array, other_hz: Array) -> Array:
    """Returns the distance in cents, [frames]; infinite where there is no pitch in one of them."""
    both = (one_hz > 0) & (other_hz > 0)
    cents = np.full(len(one_hz), np.inf)
    cents[both] = 1200.0 * np.abs(np.log2(one_hz[both] / other_hz[both]))
    return cents


def _nearest_cents(reference_hz: Array, other_hz: Array) -> Array:
    """Returns the distance from the nearest pitch of the other within 32 ms, [frames]; infinite where there is none."""
    frames = len(other_hz)
    padded_hz = np.pad(other_hz, _LATE_FRAMES)
    shifted = (padded_hz[shift : shift + frames] for shift in range(2 * _LATE_FRAMES + 1))
    nearest: Array = np.minimum.reduce([_cents(reference_hz, each_hz) for each_hz in shifted])
    return nearest


def _median(cents: Array) -> float | None:
    known = cents[np.isfinite(cents)]
    return rounded(float(np.median(known))) if len(known) else None


def _reconsidered(audio: Array, tracked_hz: Array, expected_hz: Array) -> Array:
    """Returns a tracked pitch, with the expected one where the two disagree and that explains the sound, and better."""
    cents = _cents(tracked_hz, expected_hz)
    doubtful = np.flatnonzero(np.isfinite(cents) & (cents > RIGHT_CENTS))
    if not len(doubtful):
        return tracked_hz
    asked = doubtful[np.linspace(0, len(doubtful) - 1, min(len(doubtful), _SECOND_OPINIONS)).astype(int)]
    tried = np.stack([tracked_hz[asked], expected_hz[asked]], axis=1)
    strength = swipe.strengths(audio, asked * HOP_SAMPLES, tried)
    better = strength[:, 1] > np.maximum(strength[:, 0] + _MARGIN, _LEAST_STRENGTH)
    nearest = np.abs(doubtful[:, None] - asked).argmin(axis=1)
    corrected = tracked_hz.copy()
    changed = doubtful[better[nearest]]
    corrected[changed] = expected_hz[changed]
    return corrected
