"""Pitch by CREPE, heard while the sound goes by."""

from __future__ import annotations

import numpy as np

from components.audio.pitch import Found, long_runs
from components.nsynth.note import SAMPLE_RATE_HZ, FloatArray
from components.transfer.crepe_network import FRAME_SAMPLES, PITCHES, Network, weights_path

HOP_SAMPLES = 160  # 10 ms, CREPE's own
_BATCH = 32  # frames at once: 0.2 GB
_LOWEST_CENTS = 1997.3794084376191  # above 10 Hz: 31.7 Hz, of the authors' code
_CENTS = _LOWEST_CENTS + 20.0 * np.arange(PITCHES)
_NEIGHBOURS = 4  # on either side, whose mean around the most likely pitch is taken
_SILENCE = 1e-7  # standard deviation
_VOICED = 0.5
_SHORTEST_VOICED = 5  # frames, 50 ms: what is shorter is a stray


class Crepe:
    """A tracker; see pitch.Tracker."""

    lowest_hz, highest_hz = 32.0, 1975.0
    slow = True

    def __init__(self) -> None:
        """Reads the weights. InputError where there are none; see crepe_network.weights_path."""
        self._network = Network(weights_path(), _BATCH)
        self._waiting = np.zeros(FRAME_SAMPLES // 2, np.float32)  # frame i is about the time of sample 160 * i
        self._found: list[tuple[FloatArray, FloatArray]] = []

    def push(self, audio: FloatArray) -> None:
        self._waiting = np.concatenate([self._waiting, audio])
        whole = (len(self._waiting) - FRAME_SAMPLES) // HOP_SAMPLES + 1
        self._find(whole // _BATCH * _BATCH)

    def finish(self) -> Found:
        self._waiting = np.pad(self._waiting, (0, FRAME_SAMPLES // 2))
        self._find((len(self._waiting) - FRAME_SAMPLES) // HOP_SAMPLES + 1)
        pitch_hz, confidence = (np.concatenate(parts) for parts in zip(*self._found, strict=True))
        seconds = np.arange(len(pitch_hz)) * HOP_SAMPLES / SAMPLE_RATE_HZ
        return Found(seconds, pitch_hz, long_runs(confidence >= _VOICED, _SHORTEST_VOICED))

    def _find(self, count: int) -> None:
        if count <= 0:
            return
        frames = np.lib.stride_tricks.sliding_window_view(self._waiting, FRAME_SAMPLES)[::HOP_SAMPLES][:count]
        for first in range(0, count, _BATCH):
            some = frames[first : first + _BATCH]
            filled = np.pad(some, ((0, _BATCH - len(some)), (0, 0)))
            pitch_hz, confidence = decoded(self._network.salience(normalised(filled)))
            audible = filled.std(axis=1) > _SILENCE
            self._found.append((pitch_hz[: len(some)], (confidence * audible)[: len(some)]))
        self._waiting = self._waiting[count * HOP_SAMPLES :]


def normalised(frames: FloatArray) -> FloatArray:
    """Returns frames of mean 0 and standard deviation 1; silence stays silence. f32[frames, samples]."""
    centred = frames - frames.mean(axis=1, keepdims=True)
    levelled: FloatArray = centred / np.maximum(centred.std(axis=1, keepdims=True), _SILENCE)
    return levelled


def decoded(salience: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Returns the pitch in Hz and the confidence, f32[frames] each: the authors' `to_local_average_cents`.

    Args:
        salience: f32[frames, 360], 0..1.
    """
    best = salience.argmax(axis=1)
    near = np.abs(np.arange(PITCHES) - best[:, None]) <= _NEIGHBOURS
    weights = salience * near
    cents = (weights @ _CENTS) / weights.sum(axis=1)
    return (10.0 * 2.0 ** (cents / 1200.0)).astype(np.float32), salience.max(axis=1)
