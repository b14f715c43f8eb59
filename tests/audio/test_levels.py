"""What is silent and what sounds."""

from __future__ import annotations

import numpy as np

from components.audio.levels import above_floor, frame_levels, silent_frames, silent_share, sounding_frames


def test_what_sounds_is_within_45_db_of_the_loud_part():
    loudness_db = np.concatenate([np.full(90, -20.0), np.full(5, -64.0), np.full(5, -66.0), np.full(50, -80.0)])
    np.testing.assert_array_equal(sounding_frames(loudness_db), loudness_db > -65)
    np.testing.assert_array_equal(above_floor(loudness_db), loudness_db > -79)


def test_of_a_soft_sound_what_is_above_the_floor_sounds():
    loudness_db = np.array([-60.0, -78.0, -79.5, -80.0])
    assert sounding_frames(loudness_db).tolist() == [True, True, False, False]
    assert not sounding_frames(np.full(10, -80.0)).any()


def test_silence_of_a_recording_is_60_db_below_its_loudest_frame():
    audio = np.sin(np.arange(16_000)) * np.repeat([0.5, 0.5e-2, 0.5e-4, 0.0], 4_000)
    for level in (1.0, 1e-3):
        assert abs(silent_share(frame_levels(level * audio)) - 0.5) < 0.02


def test_silence_of_a_note_is_below_70_db_of_full_scale():
    audio = np.sin(np.arange(16_000)) * np.repeat([0.5, 1e-3, 1e-4, 0.0], 4_000)
    silent = silent_frames(audio)
    assert not silent[:31].any() and silent[32:].all()
