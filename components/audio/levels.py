"""Levels of a sound: what is silent, what sounds, and whether a recording is clipped.

Each question has one definition:

* `above_floor`: is the frame more than digital silence? The statistics in a model's card count these frames: everything
  that the training saw, down to the end of a release.
* `gate`: a smooth gain from the frames that sound, for transfer and for play.
* `sounding_frames`: would a listener miss the frame? Relative to the loud part of the same sound. Transfer maps the
  loudness of these frames and mutes the others; evaluation and similarity compare them alone.
* `silent_frames`, `silent_share`: is there nothing but noise? On samples instead of loudness, so they need
  no model's definition. The first compares with full scale, which is known of the data set's notes: evaluation measures
  what a model adds there. The second compares with the loudest frame, since a recording may have any level: checks of
  recordings.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.audio.loudness import FLOOR_DB
from components.audio.spectrum import framed
from components.nsynth.note import FloatArray

Array = NDArray[np.floating[Any]]

SILENT_PEAK = 1e-3
"""A recording with a lower peak (-60 dB of full scale) is noise."""
CLIPPED_SHARE = 1e-3
"""A recording is clipped if more than this share of it lies in flat tops."""

_ABOVE_FLOOR_DB = 1.0
_SOUNDING_RANGE_DB = 45.0  # below the 95th percentile
_SILENT_DB = -70.0  # of full scale
_SILENT_RANGE_DB = 60.0  # below the loudest frame
LEVEL_FRAME_SAMPLES = 256
"""Length and distance of the frames of `silent_frames`."""
_OPEN_BEFORE, _OPEN_AFTER = 5, 12  # frames of the curves: an attack begins before it is loud, a note decays
_FADE_FRAMES = 5
_SHORTEST_SILENCE = 25  # frames, 0.1 s: what is shorter is part of the sound
_FLAT_SAMPLES = 4  # so many equal samples at a peak are a clipped one


def above_floor(loudness_db: Array) -> NDArray[np.bool_]:
    """Returns which frames are more than 1 dB above the floor of the models' loudness, of loudness_db's shape."""
    return np.asarray(loudness_db > FLOOR_DB + _ABOVE_FLOOR_DB)


def sounding_frames(loudness_db: Array) -> NDArray[np.bool_]:
    """Returns which frames sound: less than 45 dB below the loud part, the 95th percentile of what is above the floor.

    Args:
        loudness_db: Loudness by a definition of the models, of one sound or of many together, any shape.

    Returns:
        bool, the same shape.
    """
    above = loudness_db[above_floor(loudness_db)]
    loud_db = float(np.percentile(above, 95)) if len(above) else 0.0
    return np.asarray(loudness_db > max(loud_db - _SOUNDING_RANGE_DB, FLOOR_DB + _ABOVE_FLOOR_DB))


def gate(sounding: NDArray[np.bool_]) -> FloatArray:
    """Returns a gain that is 1 in and around sounding frames and 0 in silence, with smooth edges, f32[frames]."""
    sounding = sounding.copy()
    for end, start in pairwise(np.flatnonzero(np.diff(sounding.astype(np.int8)))):
        if sounding[end] and start - end < _SHORTEST_SILENCE:
            sounding[end : start + 1] = True
    window = np.ones(_OPEN_BEFORE + 1 + _OPEN_AFTER)
    opened = np.convolve(np.pad(sounding.astype(float), (_OPEN_AFTER, _OPEN_BEFORE)), window, "valid")
    fade = np.hanning(2 * _FADE_FRAMES + 1)[1:-1]
    smooth = np.convolve(np.pad(np.minimum(opened, 1.0), _FADE_FRAMES - 1, mode="edge"), fade / fade.sum(), "valid")
    return smooth.astype(np.float32)


def silent_frames(audio: Array) -> NDArray[np.bool_]:
    """Returns which frames of a note are silent: RMS level below -70 dB of full scale.

    Args:
        audio: f32[samples] in -1..1.

    Returns:
        bool[1 + samples // 256], of frames of 256 samples, centred on multiples of 256.
    """
    return np.asarray(_rms(audio) < 10 ** (_SILENT_DB / 20))


def frame_levels(audio: Array) -> Array:
    """Returns the RMS level of each frame of 256 samples, [ceil(samples / 256)]; the last frame may be shorter."""
    starts = np.arange(0, len(audio), LEVEL_FRAME_SAMPLES)
    lengths = np.minimum(LEVEL_FRAME_SAMPLES, len(audio) - starts)
    level: Array = np.sqrt(np.add.reduceat(np.square(audio), starts) / lengths)
    return level


def silent_share(levels: Array) -> float:
    """Returns how much of a recording is silent, 0..1: frames more than 60 dB below its loudest frame.

    Args:
        levels: Of `frame_levels`, of the whole recording.
    """
    return float(np.mean(levels < levels.max() * 10 ** (-_SILENT_RANGE_DB / 20)))


def _rms(audio: Array) -> Array:
    level: Array = np.sqrt(np.mean(np.square(framed(audio, LEVEL_FRAME_SAMPLES, LEVEL_FRAME_SAMPLES)), axis=1))
    return level


class ClippingDetector:
    """Finds the flat tops that clipping leaves at a recording's peak, block by block."""

    def __init__(self) -> None:
        self._peak, self._samples = 0.0, 0
        self._tops: list[tuple[float, int]] = []

    def add(self, block: Array) -> None:
        """Takes the next block, f32[samples], before any resampling: that rounds flat tops."""
        level = np.abs(block)
        self._peak, self._samples = max(self._peak, float(level.max())), self._samples + len(block)
        runs = np.lib.stride_tricks.sliding_window_view(np.pad(level, (0, _FLAT_SAMPLES)), _FLAT_SAMPLES)
        tops = runs[np.ptp(runs, axis=1) == 0, 0]
        highest = float(tops.max()) if len(tops) else 0.0
        if highest:
            self._tops.append((highest, int((tops > 0.99 * highest).sum())))

    def share(self) -> float:
        """Returns how much of the recording lies in flat tops at its peak, 0..1."""
        clipped = sum(count for level, count in self._tops if level > 0.99 * self._peak)
        return clipped / self._samples if self._samples else 0.0
