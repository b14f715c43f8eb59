"""Measures a recording's channels, and decides how to make one of them: without offset, and within full scale."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.audio.decoding import Channels
from components.audio.levels import ClippingDetector
from components.nsynth.note import FloatArray

_UNUSED_RANGE_DB = 40.0  # a channel this far below the loudest one is an input with nothing connected
_CANCELLED_DB = -10.0  # of the mix, relative to the mix of unrelated channels
# Of the peak; less is left, so that a clean recording is read as it is. A tone of 32 Hz that ends within its period has
# a mean of up to 0.01 of its peak divided by its seconds.
_LEAST_OFFSET, _LEAST_OFFSET_SECONDS = 2e-3, 0.01
_LARGE_OFFSET = 1e-2
_FULL_SCALE = 1.01  # decoders and dithering exceed 1 by a hair

_Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Mix:
    """How channels become one.

    Attributes:
        channels: Those to take the mean of; None for all.
        offset: To subtract from it.
        gain: To multiply it by then.
    """

    channels: tuple[int, ...] | None
    offset: float = 0.0
    gain: float = 1.0

    def apply(self, block: Channels) -> FloatArray:
        """Returns one channel, f32[samples], of f32[samples, channels]."""
        mono: FloatArray = (block if self.channels is None else block[:, self.channels]).mean(axis=1)
        if self.offset:
            mono = mono - np.float32(self.offset)
        return mono if self.gain == 1.0 else mono * np.float32(self.gain)


@dataclass(frozen=True)
class Measured:
    """What was measured of a recording, by channel [channels] unless said otherwise.

    Attributes:
        seconds: Its length.
        samples: The same in samples.
        mean, low, high: Mean and extremes of the samples.
        variance: Their variance.
        clipped: Share that lies in flat tops, 0..1.
        mixed_low, mixed_high, mixed_variance: Of the mean of all channels, numbers.
    """

    seconds: float
    samples: int
    mean: _Numbers
    low: _Numbers
    high: _Numbers
    variance: _Numbers
    clipped: _Numbers
    mixed_low: float
    mixed_high: float
    mixed_variance: float

    def mix(self) -> tuple[Mix, list[str]]:
        """Returns how to make one channel, and what was unusual, one predicate each."""
        chosen, remarks = self._channels()
        plain = Mix(None if len(chosen) == len(self.mean) else chosen)
        offset, peak = float(self.mean[list(chosen)].mean()), self._peak(plain, 0.0)
        centred = self._peak(plain, offset)
        if abs(offset) <= max(_LEAST_OFFSET, _LEAST_OFFSET_SECONDS / self.seconds) * centred:
            offset, centred = 0.0, peak
        elif abs(offset) > _LARGE_OFFSET * centred:
            remarks.append(
                f"has a DC offset of {offset:.3f} at a peak of {centred:.3f}, which was removed; "
                "check the microphone's input"
            )
        gain = 1.0
        if centred > _FULL_SCALE:
            gain = 1.0 / centred
            remarks.append(
                f"goes up to {centred:.2f}, expected 1 at most, and its level was reduced by "
                f"{20 * np.log10(centred):.1f} dB; it was probably exported without normalising"
            )
        return Mix(plain.channels, offset, gain), remarks

    def _channels(self) -> tuple[tuple[int, ...], list[str]]:
        """Returns the channels to mix: those that sound, or the loudest where together they cancel each other."""
        loudest = int(np.argmax(self.variance))
        least = self.variance[loudest] * 10 ** (-_UNUSED_RANGE_DB / 10)
        used = tuple(int(channel) for channel in np.flatnonzero(self.variance >= least))
        if len(used) < 2 or not self.variance[loudest]:
            return used, []
        unrelated = float(self.variance.sum()) / len(self.variance) ** 2
        if self.mixed_variance < unrelated * 10 ** (_CANCELLED_DB / 10):
            remark = f"has channels in antiphase, which cancel each other: channel {loudest + 1} alone was taken"
            return (loudest,), [remark]
        return used, []

    def peak(self, mix: Mix) -> float:
        """Returns the largest sample of a mix; an estimate where that leaves channels out."""
        return self._peak(mix, mix.offset) * mix.gain

    def _peak(self, mix: Mix, offset: float) -> float:
        if mix.channels is not None and len(mix.channels) == 1:
            low, high = float(self.low[mix.channels[0]]), float(self.high[mix.channels[0]])
        else:
            # Channels that are left out are silent, so that they only lowered the mean.
            scale = 1.0 if mix.channels is None else len(self.mean) / len(mix.channels)
            low, high = self.mixed_low * scale, self.mixed_high * scale
        return max(abs(low - offset), abs(high - offset))

    def clipped_share(self, mix: Mix) -> float:
        """Returns the largest share of a channel of the mix that lies in flat tops, 0..1."""
        return float(self.clipped.max() if mix.channels is None else self.clipped[list(mix.channels)].max())


def measure(read: Iterable[Channels], rate_hz: int) -> Measured:
    """Measures a recording of a sample rate block by block, f32[samples, channels] each."""
    total = _Sums()
    for block in read:
        total.add(block)
    return total.measured(rate_hz)


class _Sums:
    """Sums over the blocks; of the channels, and of their mean as the last column."""

    def __init__(self) -> None:
        self._samples = 0
        self._detectors: list[ClippingDetector] = []
        self._sum = self._squares = self._low = self._high = np.zeros(1)

    def add(self, block: Channels) -> None:
        columns = np.column_stack([block, block.mean(axis=1)])
        if not self._samples:
            self._detectors = [ClippingDetector() for _ in range(block.shape[1])]
            zeros, far = np.zeros(columns.shape[1]), np.full(columns.shape[1], np.inf)
            self._sum, self._squares, self._low, self._high = zeros, zeros, far, -far
        self._samples += len(block)
        self._sum = self._sum + columns.sum(axis=0, dtype=np.float64)
        self._squares = self._squares + np.square(columns, dtype=np.float64).sum(axis=0)
        self._low = np.minimum(self._low, columns.min(axis=0))
        self._high = np.maximum(self._high, columns.max(axis=0))
        for channel, detector in enumerate(self._detectors):
            detector.add(block[:, channel])

    def measured(self, rate_hz: int) -> Measured:
        mean = self._sum / max(1, self._samples)
        variance = np.maximum(self._squares / max(1, self._samples) - np.square(mean), 0.0)
        clipped = np.array([detector.share() for detector in self._detectors] or [0.0])
        channels = slice(0, max(1, len(mean) - 1))
        return Measured(
            seconds=max(1, self._samples) / rate_hz,
            samples=self._samples,
            mean=mean[channels],
            low=self._low[channels],
            high=self._high[channels],
            variance=variance[channels],
            clipped=clipped,
            mixed_low=float(self._low[-1]),
            mixed_high=float(self._high[-1]),
            mixed_variance=float(variance[-1]),
        )
