"""Recordings to transfer."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import soundfile
import soxr

_SAMPLES = Path(__file__).parents[2] / "samples"


def sweep(seconds: float = 10.0, rate: int = 44_100, low_hz: float = 150.0, octaves: float = 2.0) -> np.ndarray:
    """Returns a tone that rises evenly and swells every 2.5 s, f64[samples]."""
    time = np.arange(int(seconds * rate)) / rate
    f0_hz = low_hz * 2 ** (octaves * time / seconds)
    phase = 2 * np.pi * np.cumsum(f0_hz) / rate
    level = 0.15 + 0.35 * (0.5 - 0.5 * np.cos(2 * np.pi * time / 2.5))
    return 0.4 * level * sum(np.sin(k * phase) / k for k in range(1, 12))


def melody(rate: int = 48_000) -> np.ndarray:
    """Returns ten seconds of the sample strings: eight notes of 1.2 s with short rests, f32[samples]."""
    notes = {int(re.search(r"-(\d+)-", path.name)[1]): path for path in (_SAMPLES / "string").glob("*.flac")}
    pitches = [pitch for pitch in sorted(notes) if 50 <= pitch <= 80]
    audio = np.zeros(160_000, np.float32)
    for number, step in enumerate((0, 2, 1, 3, 2, 4, 1, 0)):
        note = soundfile.read(notes[pitches[step]], dtype="float32")[0][:19_200].copy()
        note[-800:] *= np.linspace(1, 0, 800)
        audio[number * 20_000 : number * 20_000 + len(note)] += note
    return soxr.resample(0.6 * audio / np.abs(audio).max(), 16_000, rate)


def chord(seconds: float = 40.0, rate: int = 16_000) -> np.ndarray:
    """Returns a C major chord of three tones with ten harmonics each, f64[samples]."""
    time = np.arange(int(seconds * rate)) / rate
    tones = (np.sin(2 * np.pi * k * f0_hz * time) / k for f0_hz in (261.6, 329.6, 392.0) for k in range(1, 11))
    return 0.1 * sum(tones)


def write(path: Path, audio: np.ndarray, rate: int = 16_000, **options: str) -> str:
    """Writes a recording and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, rate, **options)
    return str(path)
