"""What is doubtful in the pitch of a recording, and the warning about it."""

from __future__ import annotations

import numpy as np
import pytest

from components.audio.loudness import LOUDNESS_DEFINITION
from components.audio.pitch import DEFAULT_TRACKER
from components.nsynth.note import FRAME_RATE_HZ, FloatArray
from components.transfer.analysis import Features
from components.transfer.pitch_doubts import octave_slips, pitch_warning


def features(f0_hz: FloatArray, disputed_share: float = 0.0) -> Features:
    loudness = {LOUDNESS_DEFINITION: np.full(len(f0_hz), -20.0, np.float32)}
    return Features(np.asarray(f0_hz, np.float32), loudness, np.zeros((1, 1)), disputed_share)


def violin(seconds: float = 4.0) -> FloatArray:
    """A note with vibrato."""
    time = np.arange(int(seconds * FRAME_RATE_HZ)) / FRAME_RATE_HZ
    return np.asarray(440.0 * 2 ** (0.5 / 12 * np.sin(2 * np.pi * 6 * time)), np.float32)


@pytest.mark.parametrize(("octaves", "frames"), [(1, 10), (-1, 5), (-2, 40)])
def test_a_short_run_in_another_octave_is_a_slip(octaves: int, frames: int) -> None:
    f0_hz = violin()
    f0_hz[300 : 300 + frames] *= 2.0**octaves
    (slip,) = octave_slips(features(f0_hz))
    assert slip.at_s == pytest.approx(300 / FRAME_RATE_HZ)
    assert slip.seconds == pytest.approx(frames / FRAME_RATE_HZ)


def test_vibrato_glides_melodies_and_played_octaves_are_none() -> None:
    glide = 220.0 * 2 ** (np.arange(1000) / 500)
    scale = 220.0 * 2 ** (np.repeat([0, 2, 4, 5, 7, 9, 11, 12], 60) / 12)
    octave_leaps = 220.0 * 2.0 ** np.repeat([0, 1, 0, 1, 0], 150)
    for f0_hz in (violin(), glide, scale, octave_leaps):
        assert octave_slips(features(f0_hz)) == []


def test_the_warning_says_where_and_names_another_tracker() -> None:
    f0_hz = violin()
    assert pitch_warning(features(f0_hz), DEFAULT_TRACKER) == ""
    f0_hz[300:310] *= 2
    f0_hz[600:610] /= 2
    expected = "the pitch of the recording seems to slip by an octave at 1.2 s and at 1 more place: try --pitch crepe"
    assert pitch_warning(features(f0_hz), DEFAULT_TRACKER) == expected
    assert "--pitch crepe" not in pitch_warning(features(f0_hz), "crepe")
    doubtful = pitch_warning(features(violin(), 0.3), DEFAULT_TRACKER)
    assert doubtful == (
        "the octave of the recording is uncertain: two methods disagree in 30% of its frames; try --pitch crepe"
    )
