"""Recordings for tests."""

import numpy as np
import soundfile


def tone(seconds, midi=60, rate=16_000, level=0.4):
    time = np.arange(int(seconds * rate)) / rate
    f0_hz = 440 * 2 ** ((midi - 69) / 12)
    return level * sum(np.sin(2 * np.pi * k * f0_hz * time) / k for k in range(1, 8)) / 2


def write_recording(path, audio, rate=16_000, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, rate, **options)
    return str(path)
