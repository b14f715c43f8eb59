"""Pitch trackers behind one interface, and their alignment to the models' frames."""

from __future__ import annotations

import numpy as np
import pytest

from components.audio.f0 import confident_hz, hz_to_midi, midi_to_hz, octaves_to_fit
from components.audio.pitch import PitchTrack, track, tracker
from components.core.errors import InputError

SECONDS = np.arange(32_000) / 16_000


def tone(f0_hz):
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(f0_hz, SECONDS.shape)) / 16_000
    return (0.2 * sum(np.sin(k * phase) / k for k in range(1, 9))).astype(np.float32)


def test_a_glide_is_in_time_on_either_alignment():
    glide_hz = 220 * 2**SECONDS  # 1200 cents a second: a frame late would be 4.8 cents
    found = track(tone(glide_hz))
    inside = slice(50, 400)
    samples = np.arange(500) * 64
    cents = 1200 * np.log2(found.on_frames(500)[inside] / glide_hz[samples[inside]])
    assert abs(np.median(cents)) < 2
    cents = 1200 * np.log2(found.on_dataset_frames(500)[0][inside] / glide_hz[samples[inside] + 512])
    assert abs(np.median(cents)) < 2


def test_a_change_of_pitch_is_in_time():
    changing = np.where(SECONDS < 1.0, tone(220.0), tone(440.0)).astype(np.float32)
    f0_hz = track(changing).on_frames(500)
    assert int(np.argmax(f0_hz > 330.0)) == pytest.approx(250, abs=8)  # half a window of the tracker is 16 frames


def test_a_low_sound_in_noise_that_is_as_loud_is_found():
    """No period is strong there, but swift-f0 hears the pitch."""
    glide_hz = 60 * 2**SECONDS
    sound = tone(glide_hz)
    noisy = sound + np.random.default_rng(0).normal(0, sound.std(), len(sound)).astype(np.float32)
    f0_hz = track(np.float32(0.5) * noisy / np.abs(noisy).max()).on_frames(500)[50:400]
    assert (f0_hz > 0).mean() > 0.9
    assert np.median(np.abs(1200 * np.log2(f0_hz[f0_hz > 0] / glide_hz[np.arange(50, 400)[f0_hz > 0] * 64]))) < 20


@pytest.mark.parametrize(("f0_hz", "partial"), [(185.0, 43), (58.1, 45), (250.0, 16)])
def test_a_strong_high_partial_is_not_the_pitch(f0_hz, partial):
    """The low partials change little during a period of the high one, which looks like a period of the sound."""
    sound = sum(gain * np.sin(2 * np.pi * f0_hz * k * SECONDS) for k, gain in ((1, 1), (3, 0.7), (partial, 0.7)))
    found_hz = track(np.float32(0.2) * sound.astype(np.float32)).on_frames(500)[50:400]
    assert np.abs(1200 * np.log2(found_hz / f0_hz)).max() < 20


@pytest.mark.parametrize("f0_hz", [2_200.0, 3_000.0, 4_150.0])
def test_a_pitch_above_the_range_of_swift_f0_is_found(f0_hz):
    sound = np.sin(2 * np.pi * f0_hz * SECONDS) + np.random.default_rng(0).normal(0, 0.2, len(SECONDS))
    found_hz = track(np.float32(0.3) * sound.astype(np.float32)).on_frames(500)[50:400]
    assert np.abs(1200 * np.log2(found_hz / f0_hz)).max() < 20


def test_blocks_do_not_matter():
    audio, found = tone(220 * 2**SECONDS), tracker()
    for start in range(0, len(audio), 1_111):
        found.push(audio[start : start + 1_111])
    np.testing.assert_allclose(found.finish().f0_hz, track(audio).f0_hz, rtol=1e-4)


def test_silence_has_no_pitch():
    found = track(np.zeros(32_000, np.float32))
    assert not found.on_frames(500).any() and found.voiced_seconds() == 0


def test_short_runs_are_dropped_and_gaps_stay():
    confidence = np.full(100, 0.9)
    confidence[[1, 4, *range(40, 60)]] = 0.1  # leaves runs of 1 and 2 frames at the start
    f0_hz = PitchTrack(0.016, np.full(100, 220.0), confidence).on_frames(400)
    assert not f0_hz[:18].any() and (f0_hz[24:150] > 219).all() and not f0_hz[165:235].any()


def test_an_unknown_tracker():
    with pytest.raises(InputError, match="--pitch is 'swift': did you mean 'swift-f0'"):
        tracker("swift")


@pytest.mark.parametrize(("sung_hz", "octaves"), [(110.0, 2), (320.0, 0), (500.0, 0), (1_000.0, -1), (0.0, 0)])
def test_octaves_bring_the_median_nearest(sung_hz, octaves):
    f0_hz = np.where(np.arange(100) < 60, sung_hz, 8 * sung_hz).astype(np.float32)
    assert octaves_to_fit(f0_hz, np.arange(100) < 60, 440.0) == octaves
    assert octaves_to_fit(f0_hz[:60], np.zeros(60, bool), 440.0) == octaves  # nothing sounds: all pitched frames count


def test_a_pitch_counts_where_it_is_confident():
    f0_hz, confidence = np.float32([100, 100, 0]), np.float32([0.5, 0.49, 0.9])
    assert confident_hz(f0_hz, confidence).tolist() == [100, 0, 0]


def test_midi():
    assert midi_to_hz(69) == 440.0
    np.testing.assert_allclose(hz_to_midi(np.array([440.0, 880.0])), [69, 81])
