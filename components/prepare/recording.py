"""A recording's sound in windows of four seconds at 16 kHz, and its instrument label."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources

import numpy as np

from components.audio.reading import Sound
from components.nsynth.note import NOTE_SAMPLES, SAMPLE_RATE_HZ, FloatArray
from components.nsynth.recordings import Recording

_SHORTEST_SECONDS = 1.0  # of the remainder after the last full window


def instrument_label(recording: Recording) -> int:
    """Returns the class of the instrument; one of its family where NSynth does not have it."""
    labels = instrument_labels()
    if recording.instrument in labels:
        return labels.index(recording.instrument)
    kin = [name for name in labels if name.startswith(f"{recording.family}_")]
    return labels.index(next((name for name in kin if f"_{recording.source}_" in name), kin[0]))


@cache
def instrument_labels() -> tuple[str, ...]:
    """Returns NSynth's instrument names; the index is the class."""
    text = resources.files("components.prepare").joinpath("tfds", "instrument-label.labels.txt").read_text()
    return tuple(text.split())


def windows(sound: Sound) -> Iterator[FloatArray]:
    """Yields a recording in windows of four seconds, one after the other.

    A last piece shorter than a second is left out unless it is the only one.

    Yields:
        Mono at 16 kHz, f32[64000]; the last window may be shorter.
    """
    waiting, any_yielded = np.zeros(0, np.float32), False
    for block in sound.at_rate(SAMPLE_RATE_HZ):
        waiting = np.concatenate([waiting, block])
        while len(waiting) >= NOTE_SAMPLES:
            yield waiting[:NOTE_SAMPLES]
            waiting, any_yielded = waiting[NOTE_SAMPLES:], True
    if len(waiting) and (not any_yielded or len(waiting) >= _SHORTEST_SECONDS * SAMPLE_RATE_HZ):
        yield waiting


def padded(window: FloatArray) -> FloatArray:
    """Returns a window filled up with silence, f32[64000]."""
    return np.pad(window, (0, NOTE_SAMPLES - len(window)))
