"""Augmentation: examples at other pitches and levels, whose labels are those of what is heard."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from components.audio.loudness import LOUDNESS_DEFINITION, POWER_DEFINITION, loudness_db
from components.config.settings import TrainSettings
from components.train.dataset import Batch, batch_of_step

SETTINGS = TrainSettings(batch_size=6, crop_samples=16_000, augment_semitones=3.0, augment_gain_db=6.0)


def _tones() -> Batch:
    """Three tones with two partials, a second of silence after each."""
    time, sounding = np.arange(64_000) / 16_000, np.arange(64_000) < 48_000
    f0_hz = np.array([[220.0], [400.0], [900.0]])
    audio = 0.2 * (np.sin(2 * np.pi * f0_hz * time) + 0.5 * np.sin(4 * np.pi * f0_hz * time)) * sounding
    audio = audio.astype(np.float32)
    return Batch(audio, np.repeat(f0_hz, 1000, axis=1).astype(np.float32), loudness_db(audio))


def _pitch_hz(audio: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 16 * len(audio)))
    return float(np.argmax(spectrum) / (16 * len(audio)) * 16_000)


def test_pitch_and_loudness_are_those_of_what_is_heard():
    batch = batch_of_step(_tones(), SETTINGS, 3, loudness_db)
    assert batch.audio.shape == (6, 16_000)
    assert batch.f0_hz.shape == batch.loudness_db.shape == (6, 250)
    sounding = np.abs(batch.audio[:, :4000]).max(axis=1) > 0
    assert sounding.sum() >= 3
    for audio, f0_hz in zip(batch.audio[sounding], batch.f0_hz[sounding], strict=True):
        assert abs(1200 * np.log2(_pitch_hz(audio[:4000]) / f0_hz[0])) < 8
    # Away from the ends of the crop, where the sound of the note around it counts.
    inner = slice(10, -10)
    np.testing.assert_allclose(batch.loudness_db[:, inner], loudness_db(batch.audio)[:, inner], atol=1e-3)
    notes = np.array([220.0, 400.0, 900.0])
    moved = 12 * np.log2(batch.f0_hz[:, 0, None] / notes)
    semitones = moved[np.arange(6), np.abs(moved).argmin(axis=1)]
    assert np.abs(semitones).max() <= 3.1
    assert len(set(np.round(semitones, 2))) > 3


def test_a_step_has_the_same_batch_whenever_it_is_asked_for_and_the_level_moves():
    notes = _tones()
    first, again, other = (batch_of_step(notes, SETTINGS, step, loudness_db) for step in (2, 2, 3))
    np.testing.assert_array_equal(first.audio, again.audio)
    np.testing.assert_array_equal(first.loudness_db, again.loudness_db)
    assert (first.audio != other.audio).any()
    levels = {round(float(np.abs(each).max()), 2) for each in np.concatenate([first.audio, other.audio])}
    assert len(levels) > 4
    loud = Batch(notes.audio * 3.2, notes.f0_hz, notes.loudness_db)  # nearly full scale
    assert np.abs(batch_of_step(loud, SETTINGS, 2, loudness_db).audio).max() <= 1.0


def test_a_single_note_is_learned_as_it_is():
    note = _tones()[1:2]
    batch = batch_of_step(note, replace(SETTINGS, crop_samples=64_000), 0)
    np.testing.assert_array_equal(batch.audio, np.repeat(note.audio, 6, axis=0))
    np.testing.assert_array_equal(batch.loudness_db, np.repeat(note.loudness_db, 6, axis=0))


@pytest.mark.parametrize("definition", [LOUDNESS_DEFINITION, POWER_DEFINITION])
def test_whole_notes_and_other_loudness(definition):
    notes = _tones()
    whole = TrainSettings(batch_size=3, crop_samples=64_000, augment_gain_db=6.0)
    batch = batch_of_step(notes, whole, 0, partial(loudness_db, definition=definition))
    np.testing.assert_allclose(batch.loudness_db, loudness_db(batch.audio, definition), atol=1e-3)
    assert sorted(batch.f0_hz[:, 0]) == [220.0, 400.0, 900.0]
