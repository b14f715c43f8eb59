"""Similarity of a rendered sound to its recording: pitch and loudness, both extracted in the same way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.audio.levels import sounding_frames
from components.transfer.analysis import Features


@dataclass(frozen=True)
class Similarity:
    """How a sound follows its recording, over the frames that sound; None where nothing can be compared.

    Attributes:
        pitch_error_cents: Median distance of the pitches, after the octaves that the pitch was moved by.
        pitch_heard_share: Share of the recording's pitched frames where the sound has a pitch as well, 0..1.
        loudness_correlation: Pearson's, of the two loudness curves in dB.
    """

    pitch_error_cents: float | None
    pitch_heard_share: float
    loudness_correlation: float | None

    def text(self) -> str:
        """Returns it as a short phrase."""
        cents = "no pitch" if self.pitch_error_cents is None else f"pitch error {self.pitch_error_cents:.0f} cents"
        if self.loudness_correlation is None:
            return cents
        return f"{cents}, loudness correlation {self.loudness_correlation:.2f}"


def similarity(recording: Features, rendered: Features, octaves: int) -> Similarity:
    """Compares a rendered sound with its recording.

    Args:
        recording: Features of the recording.
        rendered: Features of the sound that a model rendered, as many frames.
        octaves: By which the pitch was moved.
    """
    sounding = sounding_frames(recording.loudness_db)
    pitched = sounding & (recording.f0_hz > 0)
    both = pitched & (rendered.f0_hz > 0)
    cents = 1200 * np.abs(np.log2(rendered.f0_hz[both] / (recording.f0_hz[both] * 2.0**octaves)))
    correlation = None
    if sounding.sum() > 1 and min(np.ptp(each.loudness_db[sounding]) for each in (recording, rendered)) > 0:
        correlation = float(np.corrcoef(recording.loudness_db[sounding], rendered.loudness_db[sounding])[0, 1])
    return Similarity(
        float(np.median(cents)) if len(cents) else None, float(both.sum() / max(1, pitched.sum())), correlation
    )
