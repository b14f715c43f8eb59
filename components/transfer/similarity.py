"""How near what was played comes to what was asked for, heard by the same ears."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.audio.levels import sounding_frames
from components.transfer.curves import Curves


@dataclass(frozen=True)
class Likeness:
    """How a sound follows its recording, over the frames that sound; None where nothing can be compared.

    Attributes:
        pitch_error_cents: Median distance of the pitches, octaves that were asked for set aside.
        pitch_heard_share: Share of the recording's pitched frames where the sound has a pitch as well, 0..1.
        loudness_correlation: Pearson's, of the two loudness curves in dB.
    """

    pitch_error_cents: float | None
    pitch_heard_share: float
    loudness_correlation: float | None

    def text(self) -> str:
        """Returns it in a few words."""
        cents = "no pitch" if self.pitch_error_cents is None else f"pitch within {self.pitch_error_cents:.0f} cents"
        if self.loudness_correlation is None:
            return cents
        return f"{cents}, loudness follows at {self.loudness_correlation:.2f}"


def likeness(recording: Curves, sound: Curves, octaves: int) -> Likeness:
    """Compares.

    Args:
        recording: What was heard in the recording.
        sound: What was heard in what a model made of it, as many frames.
        octaves: By which the pitch was moved.
    """
    sounding = sounding_frames(recording.loudness_db)
    asked = sounding & (recording.f0_hz > 0)
    both = asked & (sound.f0_hz > 0)
    cents = 1200 * np.abs(np.log2(sound.f0_hz[both] / (recording.f0_hz[both] * 2.0**octaves)))
    correlation = None
    if sounding.sum() > 1 and min(np.ptp(each.loudness_db[sounding]) for each in (recording, sound)) > 0:
        correlation = float(np.corrcoef(recording.loudness_db[sounding], sound.loudness_db[sounding])[0, 1])
    return Likeness(
        float(np.median(cents)) if len(cents) else None, float(both.sum() / max(1, asked.sum())), correlation
    )
