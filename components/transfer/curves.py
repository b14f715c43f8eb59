"""What a model is told of a sound, heard while the sound goes by: pitch, loudness, and a spectrogram to look at.

Frame i is about the time of sample 64 * i, for pitch and loudness alike, since that is where a model plays it. (The
data set's pitch is that of 32 ms later, which for its steady notes is the same.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.audio import pictures, pitch
from components.audio.loudness import LOUDNESS_DEFINITION, WINDOW_SAMPLES
from components.nsynth.note import HOP_SAMPLES, FloatArray
from components.synths.loudness import loudness_db

_MOST_COLUMNS = 1_200
_FRAMES_PER_COLUMN = 4
_CLOSEST_HOP = 160
_LOUDNESS_MARGIN = max(WINDOW_SAMPLES.values()) // 2 // HOP_SAMPLES  # frames


@dataclass(frozen=True)
class Curves:
    """A sound as a model hears it, and as a picture.

    Attributes:
        f0_hz: Pitch in Hz, f32[frames]; 0 where there is none.
        loudness: As of loudness.loudness_db, f32[frames], by every definition.
        bands: Power over time, of pictures.band_power, [columns, bands].
    """

    f0_hz: FloatArray
    loudness: dict[str, FloatArray]
    bands: pictures.Array

    @property
    def loudness_db(self) -> FloatArray:
        """As people hear it, f32[frames]: what is compared and shown, whatever a model is told."""
        return self.loudness[LOUDNESS_DEFINITION]


class Listener:
    """Hears a sound block by block; keeps curves and no sound."""

    def __init__(self, samples: int, gain: float = 1.0, tracker: pitch.Tracker | None = None) -> None:
        """Takes the sound's length at 16 kHz, what to multiply it by to find its pitch, and who finds that."""
        self._samples, self._gain = samples, np.float32(gain)
        self._tracker = tracker or pitch.tracker()
        self._loudness: list[dict[str, FloatArray]] = []
        # Audio that the next frames need, from before; the sound begins in the middle of its first frame.
        self._for_loudness = np.zeros(_LOUDNESS_MARGIN * HOP_SAMPLES, np.float32)
        self._picture = _Picture(samples)

    def hear(self, audio: FloatArray) -> None:
        """Takes the next block, f32[samples] at 16 kHz."""
        self._tracker.push(audio * self._gain)
        self._picture.add(audio)
        self._for_loudness = np.concatenate([self._for_loudness, audio])
        frames = len(self._for_loudness) // HOP_SAMPLES - 2 * _LOUDNESS_MARGIN
        if frames > 0:
            self._measure(frames)

    def _measure(self, frames: int) -> None:
        taken = self._for_loudness[: (frames + 2 * _LOUDNESS_MARGIN) * HOP_SAMPLES]
        every = {name: loudness_db(taken[None], name)[0] for name in WINDOW_SAMPLES}
        self._loudness.append({name: curve[_LOUDNESS_MARGIN:-_LOUDNESS_MARGIN] for name, curve in every.items()})
        self._for_loudness = self._for_loudness[frames * HOP_SAMPLES :]

    def curves(self) -> Curves:
        """Returns what was heard. Call it once, after the last block."""
        frames = -(-self._samples // HOP_SAMPLES)
        missing = frames - sum(len(part[LOUDNESS_DEFINITION]) for part in self._loudness)
        if missing > 0:
            length = (missing + 2 * _LOUDNESS_MARGIN) * HOP_SAMPLES
            self._for_loudness = np.pad(self._for_loudness, (0, max(0, length - len(self._for_loudness))))
            self._measure(missing)
        loudness = {name: np.concatenate([part[name] for part in self._loudness])[:frames] for name in WINDOW_SAMPLES}
        return Curves(self._tracker.finish().on_frames(frames), loudness, self._picture.bands())


class _Picture:
    """A spectrogram of a sound that goes by, of at most _MOST_COLUMNS columns however long it is."""

    def __init__(self, samples: int) -> None:
        self._hop = max(_CLOSEST_HOP, -(-samples // (_MOST_COLUMNS * _FRAMES_PER_COLUMN)))
        self._pooled = max(1, -(-samples // self._hop // _MOST_COLUMNS))
        self._waiting = np.zeros(pictures.WINDOW_SAMPLES // 2, np.float32)
        self._power: list[pictures.Array] = []

    def add(self, audio: FloatArray) -> None:
        waiting = np.concatenate([self._waiting, audio])
        count = (len(waiting) - pictures.WINDOW_SAMPLES) // self._hop + 1
        if count > 0:
            frames = np.lib.stride_tricks.sliding_window_view(waiting, pictures.WINDOW_SAMPLES)[:: self._hop][:count]
            self._power.append(pictures.band_power(frames).astype(np.float32))
            waiting = waiting[count * self._hop :]
        self._waiting = waiting

    def bands(self) -> pictures.Array:
        """Returns the power of every column, the mean over its frames."""
        self.add(np.zeros(pictures.WINDOW_SAMPLES // 2, np.float32))
        power = np.concatenate(self._power)
        starts = np.arange(0, len(power), self._pooled)
        means: pictures.Array = np.add.reduceat(power, starts) / np.diff([*starts, len(power)])[:, None]
        return means
