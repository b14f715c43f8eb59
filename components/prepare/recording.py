"""Reading of recordings for records: mono at 16 kHz, in windows of four seconds; and their instrument label."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from components.audio.levels import ClippingDetector
from components.audio.reading import mono_blocks, opened, resampled
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


@dataclass(frozen=True)
class Take:
    """A recording's sound.

    Attributes:
        windows: Mono at 16 kHz, f32[64000] each; the last one is filled up with silence.
        seconds: Its length.
        clipped_share: Share of it that lies in flat tops, 0..1.
    """

    windows: list[FloatArray]
    seconds: float
    clipped_share: float


def read_take(recording: Recording) -> Take:
    """Reads a recording. A last piece shorter than a second is left out unless it is the only one.

    Raises:
        InputError: It cannot be read, or is too short.
    """
    uri, clipping = recording.info.uri, ClippingDetector()
    with opened(uri) as file:
        blocks = list(mono_blocks(file, uri))
        for block in blocks:
            clipping.add(block)
        mono = np.concatenate(list(resampled(iter(blocks), file.samplerate, SAMPLE_RATE_HZ)))
    starts = range(0, len(mono), NOTE_SAMPLES)
    pieces = [mono[start : start + NOTE_SAMPLES] for start in starts]
    if len(pieces) > 1 and len(pieces[-1]) < _SHORTEST_SECONDS * SAMPLE_RATE_HZ:
        pieces.pop()
    windows = [np.pad(piece, (0, NOTE_SAMPLES - len(piece))) for piece in pieces]
    return Take(windows, len(mono) / SAMPLE_RATE_HZ, clipping.share())
