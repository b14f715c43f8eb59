"""Programme loudness of a sound by ITU-R BS.1770-4: how loud a whole clip is to a listener, for comparisons by ear."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.nsynth.note import SAMPLE_RATE_HZ, FloatArray

Array = NDArray[np.floating[Any]]

CLIP_LUFS = -24.0
"""The loudness of level-matched clips: loud enough, and low enough that few peaks reach full scale."""

_BLOCK_SAMPLES, _BLOCK_HOP = 6400, 1600  # 400 ms, three quarters of them overlapping
_CHUNK_SAMPLES = 160_000
_ABSOLUTE_GATE_LUFS, _RELATIVE_GATE_LU = -70.0, -10.0
_OFFSET_LU = -0.691
_MOST_GAIN_DB = 40.0  # what needs more is silence
_FULL_SCALE = 0.98
# The K weighting: a high shelf and a high-pass filter, numerator and denominator at 48 kHz (BS.1770-4, tables 1 and 2).
_FILTERS = (
    ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585)),
    ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621)),
)
_FILTER_RATE_HZ = 48_000


@lru_cache(maxsize=1)
def _weights() -> Array:
    """Returns the power response of the K weighting at the bins of a block's spectrum, f64[bins]."""
    cycles = np.fft.rfftfreq(_BLOCK_SAMPLES, 1.0 / SAMPLE_RATE_HZ) / _FILTER_RATE_HZ
    powers = np.exp(-2j * np.pi * cycles[:, None] * np.arange(3))
    weights: Array = np.ones(len(cycles))
    for numerator, denominator in _FILTERS:
        weights = weights * np.abs(powers @ np.array(numerator)) ** 2 / np.abs(powers @ np.array(denominator)) ** 2
    return weights


class LoudnessMeter:
    """Measures the loudness of a sound block by block, in memory that does not grow with it."""

    def __init__(self) -> None:
        self._buffer, self._powers = np.zeros((0, 1), np.float32), list[Array]()

    def push(self, audio: FloatArray) -> None:
        """Takes the next block, f32[samples] or f32[samples, channels] at 16 kHz, -1..1; all of as many channels."""
        audio = audio.reshape(len(audio), -1) if len(audio) else np.zeros((0, self._buffer.shape[1]), np.float32)
        if not len(self._buffer):
            self._buffer = self._buffer[:, :1].repeat(audio.shape[1], axis=1)
        for start in range(0, len(audio), _CHUNK_SAMPLES):
            self._buffer = np.concatenate([self._buffer, audio[start : start + _CHUNK_SAMPLES]])
            if len(self._buffer) >= _BLOCK_SAMPLES:
                windows = np.lib.stride_tricks.sliding_window_view(self._buffer, _BLOCK_SAMPLES, axis=0)
                blocks = windows[::_BLOCK_HOP]
                self._powers.append(_power(blocks))
                self._buffer = self._buffer[len(blocks) * _BLOCK_HOP :]

    def lufs(self) -> float:
        """Returns the gated loudness of what came, in LUFS; -70 for silence. A sound below 400 ms counts as padded."""
        if not self._powers:
            padded = np.pad(self._buffer, ((0, _BLOCK_SAMPLES - len(self._buffer)), (0, 0)))
            self._powers.append(_power(padded.T[None]))
        power = np.concatenate(self._powers)
        loud = power[power > 10.0 ** ((_ABSOLUTE_GATE_LUFS - _OFFSET_LU) / 10.0)]
        if not len(loud):
            return _ABSOLUTE_GATE_LUFS
        loud = loud[loud > loud.mean() * 10.0 ** (_RELATIVE_GATE_LU / 10.0)]
        return float(_OFFSET_LU + 10.0 * np.log10(loud.mean()))


def _power(blocks: Array) -> Array:
    """Returns the K-weighted mean power of blocks, f[blocks, channels, _BLOCK_SAMPLES] to f[blocks]."""
    spectra = np.sum(np.abs(np.fft.rfft(blocks, axis=2)) ** 2 * _weights(), axis=1)
    # Parseval: all bins but the first and the last count twice.
    power: Array = (2.0 * spectra.sum(axis=1) - spectra[:, 0] - spectra[:, -1]) / _BLOCK_SAMPLES**2
    return power


def program_loudness_lufs(audio: FloatArray) -> float:
    """Returns the gated loudness of a sound in LUFS; -70 for silence.

    Args:
        audio: f32[samples] or f32[samples, channels] at 16 kHz, -1..1.
    """
    meter = LoudnessMeter()
    meter.push(audio)
    return meter.lufs()


def matched_gain_db(audio: FloatArray, target_lufs: float = CLIP_LUFS) -> float:
    """Returns the gain in dB that brings a sound to a loudness, without clipping it and 40 dB at most.

    Args:
        audio: f32[samples] or f32[samples, channels] at 16 kHz.
        target_lufs: The wanted loudness.
    """
    peak = max(float(np.abs(audio).max(initial=0.0)), 1e-6)
    wanted = target_lufs - program_loudness_lufs(audio)
    return min(wanted, 20.0 * float(np.log10(_FULL_SCALE / peak)), _MOST_GAIN_DB)
