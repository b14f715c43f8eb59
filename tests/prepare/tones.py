"""Recordings for tests."""

import numpy as np
import soundfile


def tone(seconds, midi=60, rate=16_000, level=0.4):
    time = np.arange(int(seconds * rate)) / rate
    f0_hz = 440 * 2 ** ((midi - 69) / 12)
    return level * sum(np.sin(2 * np.pi * k * f0_hz * time) / k for k in range(1, 8)) / 2


def formant_tone(midi, formant_hz=1500, rate=16_000):
    """A decaying tone of 4 s whose harmonics are strong around one frequency alone."""
    time, f0_hz = np.arange(4 * rate) / rate, 440 * 2 ** ((midi - 69) / 12)
    number = np.arange(1, 1 + min(40, int(7_800 // f0_hz)))
    levels = np.exp(-(((number * f0_hz - formant_hz) / 400) ** 2)) + 0.02 / number
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, len(number))
    waves = levels[:, None] * np.sin(2 * np.pi * f0_hz * number[:, None] * time + phases[:, None])
    audio = waves.sum(axis=0) * np.minimum(time / 0.02, 1) * np.exp(-time / 1.5)
    return (0.4 * audio / np.abs(audio).max()).astype(np.float32)


def write_recording(path, audio, rate=16_000, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, rate, **options)
    return str(path)
