"""Pitch of records, against notes whose pitch is known."""

import numpy as np
import pytest

from components.nsynth.note import NOTE_SAMPLES
from components.prepare.pitch import find_pitch
from tests.notes import make_note


@pytest.mark.parametrize("family", ["string", "keyboard", "flute"])
@pytest.mark.parametrize("pitch", [45, 60, 76])
def test_pitch_of_known_notes(family, pitch):
    note = make_note(family, pitch)
    found = find_pitch(note.audio)
    assert found is not None
    assert round(found.median_midi) == pitch
    sure = found.f0_confidence > 0.5
    assert sure[100:700].mean() > 0.9
    cents = 1200 * np.log2(found.f0_hz[sure] / note.f0_hz[sure].clip(1e-9))
    assert np.median(np.abs(cents)) < 12
    np.testing.assert_allclose(found.f0_midi[sure], 69 + 12 * np.log2(found.f0_hz[sure] / 440), atol=1e-4)


def test_frames_are_about_the_centre_of_the_data_sets_windows():
    seconds = np.arange(NOTE_SAMPLES) / 16_000
    glide_hz = 220 * 2 ** (seconds / 2)  # two octaves in the note: 300 cents every half second
    phase = 2 * np.pi * np.cumsum(glide_hz) / 16_000
    audio = sum(0.3 / k * np.sin(k * phase) for k in (1, 2, 3, 4)).astype(np.float32)
    found = find_pitch(audio)
    assert found is not None
    centres = np.arange(1000) * 64 + 512
    frames = slice(100, 900)
    cents = 1200 * np.log2(found.f0_hz[frames] / glide_hz[centres[frames]])
    assert abs(np.median(cents)) < 2  # a frame late or early would be 2.4 cents


def test_digital_silence_has_no_pitch_and_the_rest_of_the_note_has():
    audio = make_note("string", 60).audio.copy()
    audio[40_000:] = 0.0
    found = find_pitch(audio)
    assert found is not None
    for values in (found.f0_hz, found.f0_midi, found.f0_confidence):
        assert not values[625:].any()
    assert (found.f0_hz[:625] > 200).all()


def test_silence_and_noise_have_no_pitch():
    assert find_pitch(np.zeros(NOTE_SAMPLES, np.float32)) is None
    noise = 0.1 * np.random.default_rng(0).standard_normal(NOTE_SAMPLES).astype(np.float32)
    assert find_pitch(noise) is None


def test_a_soft_note_has_the_same_pitch():
    audio = make_note("string", 60).audio
    loud, soft = find_pitch(audio), find_pitch(audio * np.float32(0.002))
    assert loud is not None
    assert soft is not None
    np.testing.assert_allclose(soft.f0_hz, loud.f0_hz, rtol=1e-3)


def test_a_known_pitch_rules_out_the_octave():
    # A weak fundamental below strong even partials: an octave too high, unless it is known better.
    seconds = np.arange(NOTE_SAMPLES) / 16_000
    partials = {220: 0.15, 440: 0.5, 880: 0.05}
    audio = sum(level * np.sin(2 * np.pi * hz * seconds) for hz, level in partials.items()).astype(np.float32)
    unaided, aided = find_pitch(audio), find_pitch(audio, known_midi=57)
    assert unaided is not None
    assert aided is not None
    assert (round(unaided.median_midi), round(aided.median_midi)) == (69, 57)
