"""Periods of a sound by autocorrelation: candidates for the pitch of each frame, and the likeliest path through them.

The normalised square difference function of McLeod and Wyvill (A smarter way to find pitch, ICMC 2005) is 1 at a lag
at which the sound repeats itself exactly. It is high at every multiple of the period as well; the shortest lag that is
nearly as good is the period. As Boersma's tracker (Accurate short-term analysis of the fundamental frequency, 1993),
this one takes the path of candidates of the highest sum of strengths, less a cost for each jump between octaves.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from components.nsynth.note import SAMPLE_RATE_HZ, FloatArray

LOWEST_HZ, HIGHEST_HZ = 20.0, 4_300.0
"""The range of pitch: MIDI 16 to 108."""
HOP_SAMPLES = 256
"""Frame i is about sample 256 * i."""

_WINDOW_SAMPLES = 1024  # a change of pitch is seen for 64 ms
_LONG_WINDOW_SAMPLES = 2048  # for periods of which the short one holds less than four
_LONG_PERIOD = 256  # samples: 62.5 Hz
_LONGEST_PERIOD = int(SAMPLE_RATE_HZ / LOWEST_HZ)
_OVERSAMPLING = 4  # of lags: a period of 4 kHz is four samples long
_CANDIDATES = 8
_SHORTEST_PERIOD = 2.0  # samples; above HIGHEST_HZ, lest a higher pitch be taken for one an octave below
_WEAKEST = 0.3
_LEAST_DIP = 0.1  # before a maximum: noise on a slow wave has many maxima that are no periods
_HIGH_HZ = 2_100.0
"""A sound of a higher pitch has most of its power above _LOW_HZ. Of another one, a strong partial above this looks like
the pitch: the lower partials change little during its period."""
_LOW_HZ = 1_400.0
_BLOCK_FRAMES = 64  # at once: 10 MB
_COST_PER_OCTAVE = 0.03  # prefers the shortest of equal periods
_COST_PER_OCTAVE_JUMPED = 0.8  # between frames of 16 ms: overlapping notes have a period of their own for some frames
_Array = npt.NDArray[np.floating[Any]]


class Candidates(NamedTuple):
    """Candidates for the pitch of each frame.

    Attributes:
        f0_hz: [frames, candidates]; 0 where there is none.
        strength: How exactly the sound repeats itself after this period, 0..1, [frames, candidates].
        power: Mean power of the frame, [frames].
    """

    f0_hz: _Array
    strength: _Array
    power: _Array


class PeriodFinder:
    """Finds the candidates block by block, in memory that grows by 8 kB for each second of sound."""

    def __init__(self, lowest_hz: float = LOWEST_HZ, highest_hz: float = np.inf) -> None:
        """Takes the range to search. Outside of it no candidate takes the place of a weaker one inside."""
        self._lowest_hz, self._highest_hz = lowest_hz, highest_hz
        self._buffer = np.zeros(_LONG_WINDOW_SAMPLES // 2, np.float32)
        self._parts: list[Candidates] = []

    def push(self, audio: FloatArray) -> None:
        """Takes the next block, f32[samples] at 16 kHz."""
        self._buffer = np.concatenate([self._buffer, audio])
        frames = (len(self._buffer) - _LONG_WINDOW_SAMPLES) // HOP_SAMPLES + 1
        for _ in range(frames // _BLOCK_FRAMES):
            self._analyse(_BLOCK_FRAMES)

    def finish(self, frames: int) -> Candidates:
        """Returns the candidates of the given number of frames. Call it once, after the last block."""
        known = sum(len(part.f0_hz) for part in self._parts)
        missing = max(0, frames - known)
        self._buffer = np.pad(self._buffer, (0, missing * HOP_SAMPLES + _LONG_WINDOW_SAMPLES))
        while missing > 0:
            self._analyse(min(missing, _BLOCK_FRAMES))
            missing -= _BLOCK_FRAMES
        return Candidates(*(np.concatenate(parts)[:frames] for parts in zip(*self._parts, strict=True)))

    def _analyse(self, frames: int) -> None:
        windows = np.lib.stride_tricks.sliding_window_view(self._buffer, _LONG_WINDOW_SAMPLES)[::HOP_SAMPLES][:frames]
        margin = (_LONG_WINDOW_SAMPLES - _WINDOW_SAMPLES) // 2
        inner = windows[:, margin:-margin]
        short = _square_difference(inner, _LONG_PERIOD, _OVERSAMPLING)
        long = _square_difference(windows, _LONGEST_PERIOD, 1)
        power = np.mean(np.square(inner, dtype=np.float64), axis=1)
        highest_hz = np.where(_mostly_low(inner), min(_HIGH_HZ, self._highest_hz), self._highest_hz)
        self._parts.append(Candidates(*_peaks(short, long, self._lowest_hz, highest_hz), power))
        self._buffer = self._buffer[frames * HOP_SAMPLES :]


def _square_difference(windows: FloatArray, longest: int, oversampling: int) -> _Array:
    """Returns the normalised square difference function, -1..1, f32[frames, longest * oversampling].

    The autocorrelation between whole lags is that of the band-limited signal: its spectrum is padded with zeros.

    Args:
        windows: f32[frames, samples].
        longest: Longest lag in samples.
        oversampling: Lags in a sample.
    """
    samples = windows.shape[1]
    spectrum = np.fft.rfft(windows, 2 * samples, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    products = np.fft.irfft(power, 2 * samples * oversampling, axis=1)[:, : longest * oversampling] * oversampling
    energy = np.pad(np.cumsum(windows.astype(np.float64) ** 2, axis=1), ((0, 0), (1, 0)))
    whole = np.arange(longest + 1)
    squares = energy[:, samples - whole] + energy[:, -1:] - energy[:, whole]
    part = np.arange(oversampling) / oversampling
    between = squares[:, :-1, None] * (1 - part) + squares[:, 1:, None] * part
    return np.asarray(2.0 * products / np.maximum(between.reshape(len(windows), -1), 1e-9), np.float32)


def _mostly_low(windows: FloatArray) -> npt.NDArray[np.bool_]:
    """Tells of each window whether more than half of its power lies below _LOW_HZ, bool[frames]."""
    samples = windows.shape[1]
    power = np.square(np.abs(np.fft.rfft(windows * np.hanning(samples), axis=1)))
    low = power[:, : round(_LOW_HZ * samples / SAMPLE_RATE_HZ)].sum(axis=1)
    return np.asarray(low > 0.5 * power.sum(axis=1))


def _peaks(short: _Array, long: _Array, lowest_hz: float, highest_hz: _Array) -> tuple[_Array, _Array]:
    """Returns f0 and strength of each frame's candidates, the short window's and the long window's.

    See `_maxima` for the range.
    """
    found = [
        _maxima(short, round(_SHORTEST_PERIOD * _OVERSAMPLING), _OVERSAMPLING, lowest_hz, highest_hz),
        _maxima(long, _LONG_PERIOD, 1, lowest_hz, highest_hz),
    ]
    f0_hz, strength = (np.concatenate(each, axis=1) for each in zip(*found, strict=True))
    best = np.argpartition(octave_cost(f0_hz) - strength, _CANDIDATES, axis=1)[:, :_CANDIDATES]
    return np.take_along_axis(f0_hz, best, 1), np.take_along_axis(strength, best, 1)


def _maxima(
    curves: _Array, shortest: int, oversampling: int, lowest_hz: float, highest_hz: _Array
) -> tuple[_Array, _Array]:
    """Returns f0 and height of the best maxima of each curve, [frames, _CANDIDATES]; 0 for none.

    Args:
        curves: [frames, lags], from lag 0 on.
        shortest: Shortest lag to take, in 1 / oversampling samples.
        oversampling: Lags in a sample.
        lowest_hz: Lowest pitch to take.
        highest_hz: Highest pitch to take, [frames].
    """
    lowest = np.minimum.accumulate(curves, axis=1)[:, shortest:-1]
    before, here, after = curves[:, shortest - 1 : -2], curves[:, shortest:-1], curves[:, shortest + 1 :]
    lags = shortest + np.arange(here.shape[1])
    lag_hz = SAMPLE_RATE_HZ * oversampling / lags
    rank = here - octave_cost(lag_hz)
    rank[(here <= before) | (here < after) | (here <= _WEAKEST) | (lowest > here - _LEAST_DIP)] = -np.inf
    rank[(lag_hz < lowest_hz) | (lag_hz > highest_hz[:, None])] = -np.inf
    best = np.argpartition(-rank, _CANDIDATES, axis=1)[:, :_CANDIDATES]
    left, top, right = (np.take_along_axis(each, best, 1) for each in (before, here, after))
    bend = np.minimum(left - 2 * top + right, -1e-7)  # 0 where the three are equal but for rounding
    offset = np.clip(0.5 * (left - right) / bend, -0.5, 0.5)  # of the parabola through the three
    f0_hz = SAMPLE_RATE_HZ * oversampling / (lags[best] + offset)
    height = np.minimum(top - 0.25 * (left - right) * offset, 1.0)
    found = np.isfinite(np.take_along_axis(rank, best, 1))
    return np.where(found, f0_hz, 0.0), np.where(found, height, 0.0)


def likeliest(f0_hz: _Array, score: _Array) -> npt.NDArray[np.intp]:
    """Returns the index of each frame's candidate on the path of the highest sum of scores (Viterbi), [frames].

    Args:
        f0_hz: Of each candidate, [frames, candidates]; 0 for none.
        score: Of each candidate, [frames, candidates].
    """
    octave = np.log2(np.where(f0_hz > 0, f0_hz, LOWEST_HZ))
    total, origins = score[0], np.zeros(score.shape, np.intp)
    for frame in range(1, len(score)):
        jump = np.abs(octave[frame][:, None] - octave[frame - 1])
        reached = total - _COST_PER_OCTAVE_JUMPED * np.minimum(jump, 1.0)
        origins[frame] = reached.argmax(axis=1)
        total = reached.max(axis=1) + score[frame]
    path = np.empty(len(score), np.intp)
    path[-1] = total.argmax()
    for frame in range(len(score) - 1, 0, -1):
        path[frame - 1] = origins[frame, path[frame]]
    return path


def octave_cost(f0_hz: _Array) -> _Array:
    """Returns what a candidate's score is lowered by, so that of equally strong periods the shortest is taken."""
    return np.asarray(_COST_PER_OCTAVE * np.log2(HIGHEST_HZ / np.maximum(f0_hz, LOWEST_HZ)))
