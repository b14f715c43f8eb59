"""Pitch of records, against notes whose pitch is known."""

import numpy as np
import pytest

from components.audio.f0 import confident_hz
from components.audio.polyphony import MIXED_SHARE, mixed_frames
from components.nsynth.note import NOTE_SAMPLES
from components.prepare.pitch import find_pitch
from tests.notes import make_note
from tests.prepare.tones import formant_tone


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


PARTIALS = {
    "sine": [1.0],
    "sawtooth": [1 / k for k in range(1, 21)],
    "clarinet": [(k % 2) / k for k in range(1, 21)],
    "strong second": [0.5, 1.0, 0.2, 0.2],
    "no first": [0.0, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6],
    "equal": [1.0] * 12,
}


def tone(midi: float, partials: list[float], phase: float = 0.0, seconds: float = 4.0) -> np.ndarray:
    """A decaying tone with a little noise, f32[samples]."""
    second, f0_hz = np.arange(round(seconds * 16_000)) / 16_000, 440 * 2 ** ((midi - 69) / 12)
    waves = [
        level * np.sin(2 * np.pi * k * f0_hz * second + phase * k * k)
        for k, level in enumerate(partials, 1)
        if k * f0_hz < 7_800
    ]
    sound = np.sum(waves, axis=0) * np.minimum(second / 0.02, 1) * np.exp(-second / 1.5)
    noise = 1e-4 * np.random.default_rng(1).standard_normal(len(second))
    return (0.4 * sound / np.abs(sound).max() + noise).astype(np.float32)


@pytest.mark.parametrize("partials", PARTIALS)
def test_no_octave_errors_from_the_lowest_to_the_highest_pitch(partials):
    for midi in (28, 45, 54, 60, 72, 77, 84, 99, 102):
        if partials == "no first" and midi > 99:
            continue  # one partial is left below 8 kHz
        found = find_pitch(tone(midi, PARTIALS[partials]))
        assert found is not None, midi
        heard = found.f0_confidence >= 0.5
        semitones = np.abs(found.f0_midi[heard] - midi)
        assert heard.mean() > 0.5 and np.mean(semitones > 0.5) < 0.002, (midi, found.median_midi)


@pytest.mark.parametrize("midi", [24, 27, 40])
def test_a_formant_is_not_the_pitch(midi):
    """The period of a formant at 1500 Hz is five octaves above the pitch, and 90 % as strong."""
    found = find_pitch(formant_tone(midi))
    assert found is not None and abs(found.median_midi - midi) < 0.1


def test_a_sound_without_odd_harmonics_is_an_octave_higher():
    """A sampled flute of General MIDI has a trace of the octave below, which swift-f0 takes for the pitch."""
    sound, trace = tone(79, [1.0, 0.3, 0.1, 0.05]), tone(67, [0.0, 0.0, 1.0])
    found = find_pitch(sound + np.float32(0.03) * trace)
    assert found is not None and abs(found.median_midi - 79) < 0.1


def test_pitches_that_cannot_be_found_are_none():
    assert find_pitch(tone(8, [1.0, 0.5])) is None  # 13 Hz
    assert find_pitch(tone(118, [1.0])) is None  # 7.5 kHz


def test_a_melody_has_the_pitch_of_each_note():
    notes = [60, 67, 64, 72, 55, 79, 60, 62]
    audio = np.concatenate([tone(midi, PARTIALS["clarinet"], seconds=0.5) for midi in notes])
    found = find_pitch(audio)
    assert found is not None
    for index, midi in enumerate(notes):
        held = slice(index * 125 + 10, index * 125 + 100)  # without the change, which the window of the data set holds
        assert np.median(np.abs(found.f0_midi[held] - midi)) < 0.1, index
        assert np.mean(np.abs(found.f0_midi[held] - midi) > 0.5) < 0.05, index


def test_a_hum_below_the_sound_is_not_its_pitch():
    audio = tone(69, PARTIALS["sawtooth"], seconds=2.0)
    second = np.arange(NOTE_SAMPLES) / 16_000
    audio = np.pad(audio, (0, NOTE_SAMPLES - len(audio))) + np.float32(3e-4) * np.sin(2 * np.pi * 50 * second)
    found = find_pitch(audio.astype(np.float32))
    assert found is not None
    assert round(found.median_midi) == 69
    assert not (found.f0_confidence[600:] > 0.5).any()


def test_a_known_pitch_decides_between_two():
    # An organ stop of octave, twelfth and fifteenth: the period is that of a note an octave below.
    audio = tone(45, [0.0, 1.0, 0.7, 0.5])
    unaided, aided = find_pitch(audio), find_pitch(audio, known_midi=57)
    assert unaided is not None
    assert aided is not None
    assert (round(unaided.median_midi), round(aided.median_midi)) == (45, 57)


def test_a_known_pitch_outside_the_range_is_no_help():
    audio = tone(60, PARTIALS["sawtooth"])
    for known in (0, 127):
        assert find_pitch(audio, known_midi=known) is None


def test_chords_are_named_and_single_notes_are_not():
    chords = [[60, 64, 67, 72], [57, 60, 64, 67], [48, 55, 64, 70], [62, 65, 69, 72], [50, 57], [55, 61]]
    shares = {}
    for name in ("sawtooth", "strong second"):
        for midi in (40, 76):
            shares[name, midi] = mixed_share(tone(midi, PARTIALS[name]))
        for chord in chords:
            shares[name, tuple(chord)] = mixed_share(sum(tone(midi, PARTIALS[name], 1.3 * midi) for midi in chord) / 4)
    wrong = {each: share for each, share in shares.items() if (share > MIXED_SHARE) != isinstance(each[1], tuple)}
    assert len(wrong) <= 1, wrong


def mixed_share(audio: np.ndarray) -> float:
    found = find_pitch(audio.astype(np.float32))
    assert found is not None
    pitched, mixed, _ = mixed_frames(audio, confident_hz(found.f0_hz, found.f0_confidence))
    return mixed / pitched
