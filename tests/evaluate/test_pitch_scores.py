"""The scores of pitch, on tones whose pitch is known."""

from __future__ import annotations

import numpy as np
import pytest

from components.artifacts.scores import LABEL_WRONG, PLAYED_WRONG
from components.audio import swipe
from components.evaluate.pitch_scores import pitch_scores
from components.nsynth.note import HOP_SAMPLES, NOTE_FRAMES, NOTE_SAMPLES, SAMPLE_RATE_HZ

SECONDS = np.arange(NOTE_SAMPLES) / SAMPLE_RATE_HZ
EVERYWHERE = np.ones(NOTE_FRAMES, bool)


def tone(f0_hz: float, level: float = 0.2) -> np.ndarray:
    harmonics = sum(np.sin(2 * np.pi * f0_hz * k * SECONDS) / k for k in range(1, 9))
    return (level * harmonics).astype(np.float32)


def label(f0_hz: float) -> np.ndarray:
    return np.full(NOTE_FRAMES, f0_hz)


def test_a_mistuned_resynthesis_reads_its_cents() -> None:
    found = pitch_scores(tone(220.0), tone(220.0 * 2 ** (30 / 1200), 1e-4), label(220.0), EVERYWHERE)
    assert found.error_cents == pytest.approx(30, abs=4)  # the tracker itself strays by some 3 cents
    assert found.played_error_cents == pytest.approx(30, abs=4)
    assert found.label_error_cents == pytest.approx(0, abs=4)
    assert (found.within_share, found.finding) == (pytest.approx(1, abs=0.05), "")


def test_a_wrong_label_is_told_from_wrong_play() -> None:
    asked_wrong = pitch_scores(tone(220.0), tone(440.0), label(440.0), EVERYWHERE)
    assert asked_wrong.finding == LABEL_WRONG
    assert asked_wrong.label_error_cents == pytest.approx(1200, abs=10)
    assert asked_wrong.played_error_cents == pytest.approx(0, abs=5)
    assert (asked_wrong.error_cents, asked_wrong.within_share) == (pytest.approx(1200, abs=10), 0)
    played_wrong = pitch_scores(tone(220.0), tone(262.0), label(220.0), EVERYWHERE)
    assert (played_wrong.finding, played_wrong.within_share) == (PLAYED_WRONG, 0)
    moved = pitch_scores(tone(220.0), tone(440.0), label(220.0), EVERYWHERE, octaves=1)
    assert (moved.finding, moved.within_share) == ("", pytest.approx(1, abs=0.05))


def test_where_the_record_has_no_trusted_pitch_the_recording_counts() -> None:
    unsure = label(220.0) * (np.arange(NOTE_FRAMES) % 2)
    for asked in (unsure, 0 * unsure):
        right, wrong = (pitch_scores(tone(220.0), tone(f0_hz), asked, EVERYWHERE) for f0_hz in (220.0, 262.0))
        assert (right.finding, wrong.finding) == ("", PLAYED_WRONG)


def test_a_slide_that_is_played_32_ms_early_is_right() -> None:
    slide = np.where(SECONDS < 0.4, 220.0 * 2 ** (SECONDS * 10 / 12), 220.0 * 2 ** (4 / 12))  # ten semitones a second
    early = np.concatenate([slide[512:], np.full(512, slide[-1])])
    recording, played = (
        (0.2 * sum(np.sin(k * 2 * np.pi * np.cumsum(each) / SAMPLE_RATE_HZ) / k for k in range(1, 9))).astype(
            np.float32
        )
        for each in (slide, early)
    )
    starts = np.arange(NOTE_FRAMES) < 100
    assert pitch_scores(recording, played, slide[::HOP_SAMPLES], starts).within_share > 0.95
    late = np.concatenate([np.full(1600, slide[0]), slide[:-1600]])
    wrong = (0.2 * np.sin(2 * np.pi * np.cumsum(late) / SAMPLE_RATE_HZ)).astype(np.float32)
    assert pitch_scores(recording, wrong, slide[::HOP_SAMPLES], starts).within_share < 0.8


def test_what_no_pitch_explains_is_not_taken_for_the_right_one() -> None:
    random = np.random.default_rng(0)
    inharmonic = sum(0.02 * np.sin(2 * np.pi * f0_hz * SECONDS) for f0_hz in 50 * 2 ** random.uniform(0, 7, 30))
    found = pitch_scores(tone(220.0), inharmonic.astype(np.float32), label(220.0), EVERYWHERE)
    assert (found.finding, found.within_share) == (PLAYED_WRONG, 0)


def test_silence_has_no_pitch() -> None:
    found = pitch_scores(tone(220.0), np.zeros(NOTE_SAMPLES, np.float32), label(220.0), EVERYWHERE)
    assert (found.error_cents, found.within_share, found.heard_share) == (None, 0, 0)
    assert found.finding == PLAYED_WRONG
    noise = np.random.default_rng(0).standard_normal(NOTE_SAMPLES).astype(np.float32)
    assert pitch_scores(noise, noise, label(220.0), EVERYWHERE).within_share is None


@pytest.mark.parametrize("f0_hz", [65.4, 220.0, 1046.5])
def test_the_second_method_prefers_the_pitch_to_its_octaves(f0_hz: float) -> None:
    tried = np.array([[f0_hz / 2, f0_hz, 2 * f0_hz, 1.5 * f0_hz, 0.0]])
    strength = swipe.strengths(tone(f0_hz), np.array([200 * HOP_SAMPLES]), tried)[0]
    assert strength.argmax() == 1
    assert strength[1] > np.delete(strength, 1).max() + 0.05
    assert strength[4] == -1
