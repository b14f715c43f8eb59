"""Features of a sound, extracted block by block: pitch, loudness, and a spectrogram for the page.

Frame i is about sample 64 * i, for pitch and loudness alike, since that is where a model renders it. (The data set's
pitch is that of 32 ms later, which for its steady notes is the same.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.audio import pictures, pitch
from components.audio.loudness import LOUDNESS_DEFINITION, WINDOW_SAMPLES, loudness_db
from components.nsynth.note import HOP_SAMPLES, FloatArray

_MAX_COLUMNS = 1_200
_FRAMES_PER_COLUMN = 4
_MIN_HOP_SAMPLES = 160
_LOUDNESS_MARGIN = max(WINDOW_SAMPLES.values()) // 2 // HOP_SAMPLES  # frames


@dataclass(frozen=True)
class Features:
    """The features of a sound.

    Attributes:
        f0_hz: Pitch in Hz, f32[frames]; 0 where there is none.
        loudness: See loudness.loudness_db, f32[frames], by every definition.
        bands: Power over time, of pictures.band_power, [columns, bands].
        disputed_share: Share of the frames with a pitch in which two methods disagree about it, 0..1.
        mixed_share: See polyphony.mixed_share, 0..1; of a recording only.
    """

    f0_hz: FloatArray
    loudness: dict[str, FloatArray]
    bands: pictures.Array
    disputed_share: float = 0.0
    mixed_share: float = 0.0

    @property
    def loudness_db(self) -> FloatArray:
        """A-weighted loudness, f32[frames]: for comparisons, whatever definition a model is trained with."""
        return self.loudness[LOUDNESS_DEFINITION]


class FeatureExtractor:
    """Extracts features block by block; keeps no audio but what the next frames need."""

    def __init__(self, samples: int, gain: float = 1.0, tracker: pitch.Tracker | None = None) -> None:
        """Prepares the extraction.

        Args:
            samples: Its length at 16 kHz.
            gain: Multiplies the audio for the pitch tracker alone.
            tracker: Finds the pitch; swift-f0 where there is none.
        """
        self._samples, self._gain = samples, np.float32(gain)
        self._tracker = tracker or pitch.tracker()
        self._loudness: list[dict[str, FloatArray]] = []
        # The sound begins in the middle of its first frame.
        self._loudness_buffer = np.zeros(_LOUDNESS_MARGIN * HOP_SAMPLES, np.float32)
        self._spectrogram = _Spectrogram(samples)

    def push(self, audio: FloatArray) -> None:
        """Takes the next block, f32[samples] at 16 kHz."""
        self._tracker.push(audio * self._gain)
        self._spectrogram.push(audio)
        self._loudness_buffer = np.concatenate([self._loudness_buffer, audio])
        frames = len(self._loudness_buffer) // HOP_SAMPLES - 2 * _LOUDNESS_MARGIN
        if frames > 0:
            self._measure_loudness(frames)

    def finish(self) -> Features:
        """Returns the features. Call it once, after the last block."""
        frames = -(-self._samples // HOP_SAMPLES)
        missing = frames - sum(len(part[LOUDNESS_DEFINITION]) for part in self._loudness)
        if missing > 0:
            length = (missing + 2 * _LOUDNESS_MARGIN) * HOP_SAMPLES
            self._loudness_buffer = np.pad(self._loudness_buffer, (0, max(0, length - len(self._loudness_buffer))))
            self._measure_loudness(missing)
        loudness = {name: np.concatenate([part[name] for part in self._loudness])[:frames] for name in WINDOW_SAMPLES}
        track = self._tracker.finish()
        doubts = track.disputed[track.voiced] if track.disputed is not None else np.zeros(0)
        share = float(np.mean(doubts)) if len(doubts) else 0.0
        return Features(track.on_frames(frames), loudness, self._spectrogram.finish(), share)

    def _measure_loudness(self, frames: int) -> None:
        audio = self._loudness_buffer[: (frames + 2 * _LOUDNESS_MARGIN) * HOP_SAMPLES]
        curves = {name: loudness_db(audio[None], name)[0] for name in WINDOW_SAMPLES}
        self._loudness.append({name: curve[_LOUDNESS_MARGIN:-_LOUDNESS_MARGIN] for name, curve in curves.items()})
        self._loudness_buffer = self._loudness_buffer[frames * HOP_SAMPLES :]


class _Spectrogram:
    """Band power of a sound, block by block, in at most _MAX_COLUMNS columns however long it is."""

    def __init__(self, samples: int) -> None:
        self._hop = max(_MIN_HOP_SAMPLES, -(-samples // (_MAX_COLUMNS * _FRAMES_PER_COLUMN)))
        self._frames_per_column = max(1, -(-samples // self._hop // _MAX_COLUMNS))
        self._buffer = np.zeros(pictures.WINDOW_SAMPLES // 2, np.float32)
        self._power: list[pictures.Array] = []

    def push(self, audio: FloatArray) -> None:
        buffer = np.concatenate([self._buffer, audio])
        count = (len(buffer) - pictures.WINDOW_SAMPLES) // self._hop + 1
        if count > 0:
            frames = np.lib.stride_tricks.sliding_window_view(buffer, pictures.WINDOW_SAMPLES)[:: self._hop][:count]
            self._power.append(pictures.band_power(frames).astype(np.float32))
            buffer = buffer[count * self._hop :]
        self._buffer = buffer

    def finish(self) -> pictures.Array:
        """Returns the power of every column, the mean over its frames, [columns, bands]."""
        self.push(np.zeros(pictures.WINDOW_SAMPLES // 2, np.float32))
        power = np.concatenate(self._power)
        starts = np.arange(0, len(power), self._frames_per_column)
        means: pictures.Array = np.add.reduceat(power, starts) / np.diff([*starts, len(power)])[:, None]
        return means
