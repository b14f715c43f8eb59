"""What is doubtful in the pitch of a recording: octave slips, short runs an octave away, and notes at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import median_filter

from components.audio.f0 import hz_to_midi
from components.audio.levels import sounding_frames
from components.audio.pitch import DEFAULT_TRACKER
from components.audio.polyphony import MIXED_STEADY_SHARE
from components.nsynth.note import FRAME_RATE_HZ
from components.transfer.analysis import Features

_AROUND_FRAMES = 175  # 0.7 s: most of it has the right octave
_LONGEST_FRAMES = 62  # 0.25 s: what lasts longer may be a note
_SHORTEST_FRAMES = 4  # one frame of the tracker
_OCTAVES = (12.0, 24.0)
_NEAR_SEMITONES = 1.0
_MAX_DISPUTED_SHARE = 0.1  # as in the check of recordings


@dataclass(frozen=True)
class Slip:
    """A slip: when it begins, and how long it lasts, in seconds."""

    at_s: float
    seconds: float


def octave_slips(features: Features) -> list[Slip]:
    """Returns the octave slips of a recording's pitch, in order."""
    pitched = np.flatnonzero((features.f0_hz > 0) & sounding_frames(features.loudness_db))
    if len(pitched) < _AROUND_FRAMES:
        return []
    midi = hz_to_midi(features.f0_hz[pitched])
    away = np.abs(midi - median_filter(midi, _AROUND_FRAMES, mode="nearest"))
    is_slip = np.any([np.abs(away - octave) < _NEAR_SEMITONES for octave in _OCTAVES], axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_slip.astype(np.int8), [0]])))
    runs = [(start, end) for start, end in pairwise(edges) if is_slip[start]]
    return [
        Slip(pitched[start] / FRAME_RATE_HZ, (end - start) / FRAME_RATE_HZ)
        for start, end in runs
        if _SHORTEST_FRAMES <= end - start <= _LONGEST_FRAMES
    ]


def pitch_warning(features: Features, tracker: str) -> str:
    """Returns what is doubtful in the pitch of a recording and what to try, in one line; "" where nothing is.

    Args:
        features: Of the recording.
        tracker: The name of the pitch tracker.
    """
    if features.mixed_share > MIXED_STEADY_SHARE:
        return (
            "the recording has more than one note at a time, or much noise, in at least "
            f"{features.mixed_share:.0%} of its pitched frames, and a model plays one note at a time: "
            "try a recording of single notes or of one voice"
        )
    slips = octave_slips(features)
    advice = "try --pitch crepe" if tracker == DEFAULT_TRACKER else "listen to these places, or try --pitch swift-f0"
    if slips:
        more = f" and at {len(slips) - 1} more {'place' if len(slips) == 2 else 'places'}" if len(slips) > 1 else ""
        return f"the pitch of the recording seems to slip by an octave at {slips[0].at_s:.1f} s{more}: {advice}"
    if features.disputed_share > _MAX_DISPUTED_SHARE:
        share = f"{features.disputed_share:.0%}"
        return f"the octave of the recording is uncertain: two methods disagree in {share} of its frames; {advice}"
    return ""
