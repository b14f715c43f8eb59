"""Checks of recordings: what is reported, and where."""

from __future__ import annotations

import numpy as np
import pytest

from components.nsynth.recordings import find_recordings
from components.prepare.conversion import convert
from components.prepare.step import CheckResult, check, prepare
from tests.prepare.tones import tone, write_recording

RATE = 44_100


def write(folder, audio, name="take", family="flute"):
    write_recording(folder / family / f"{name}.wav", audio, RATE)
    return str(folder)


@pytest.mark.parametrize(
    ("audio", "said"),
    [
        (np.clip(3 * tone(5.0, 62, RATE), -0.5, 0.5), "is clipped"),
        (np.concatenate([tone(2.0, 62, RATE), np.zeros(6 * RATE)]), "is mostly silent: 75% of it"),
        (tone(4.0, 55, RATE) + tone(4.0, 61, RATE), "more than one note at a time"),
        (tone(0.05, 60, RATE), "is too short"),
        (np.zeros(2 * RATE), "is too quiet"),
    ],
)
def test_each_problem_is_reported(tmp_path, luthier, audio, said):
    folder = write(tmp_path, audio)
    finished = luthier("prepare", "--check", folder)
    unusable = said in ("is too short", "is too quiet")
    assert finished.code == int(unusable) and said in finished.out, finished
    assert not list(tmp_path.glob("*.tfrecord*"))


def test_of_a_good_recording_only_its_length_is_reported(tmp_path):
    (line,) = check([write(tmp_path, tone(12.0, 62, RATE))]).problems
    assert "the family flute has only 12 s of sound" in line and "10 minutes for a good one" in line
    for number in range(8):
        write(tmp_path, tone(8.0, 60 + number, RATE), f"take-{number}")
    assert check([str(tmp_path)]) == CheckResult([], 0, "")


def test_a_family_that_is_too_small_is_named_as_prepare_leaves_it_out(tmp_path, luthier):
    write(tmp_path / "in", tone(13.0, 62, RATE), family="string")
    folder = write(tmp_path / "in", tone(0.3, 62, RATE))
    checked = luthier("prepare", "--check", folder)
    assert checked.code == 0 and "too few recordings of family flute: got 1 window of 4 s" in checked.out
    prepared = luthier("prepare", folder, "--out", tmp_path / "out")
    for said in (checked.out, prepared.err):
        assert "enough to test the pipeline" in said and "family flute has only" not in said


def test_a_copy_is_named(tmp_path):
    for name in ("take", "take (1)"):
        write(tmp_path, tone(4.0, 62, RATE), name)
    folder = write(tmp_path, tone(4.0, 64, RATE), "other")
    (line,) = [line for line in check([folder]).problems if "is a copy of" in line]
    assert "flute/take.wav" in line and "flute/take (1).wav" in line


def test_the_report_is_kept_with_the_records(tmp_path, luthier):
    folder = write(tmp_path / "in", np.clip(3 * tone(13.0, 62, RATE), -0.5, 0.5))
    finished = luthier("prepare", folder, "--out", tmp_path / "out")
    assert finished.code == 0 and "warning: flute/take.wav is clipped" in finished.err
    again = prepare([folder], str(tmp_path / "out"))
    assert again.reused and "is clipped" in again.advice[0]


def test_a_melody_is_named_with_its_range(tmp_path):
    audio = np.concatenate([tone(0.5, midi, RATE) for midi in (60, 64, 67, 72, 71, 67, 64, 60)])
    (line,) = [line for line in check([write(tmp_path, audio)]).problems if "melody" in line]
    assert "is a melody, C4 to C5" in line
    second = np.arange(4 * RATE) / RATE
    phase = 2 * np.pi * 330 * (second + 60 / 1200 * np.log(2) / 34.6 * np.sin(34.6 * second))
    vibrato = sum(np.sin(k * phase) / k for k in range(1, 8)) / 5  # 60 cents either way, 5.5 times a second
    assert not [line for line in check([write(tmp_path / "one", vibrato)]).problems if "flute/take.wav" in line]


def test_a_quick_melody_whose_notes_ring_on_is_no_chord(tmp_path):
    length, audio = RATE // 8, np.zeros(9 * RATE)
    for number, midi in enumerate(np.random.default_rng(0).integers(60, 80, 64)):
        note = tone(0.5, midi, RATE, level=0.3) * np.exp(-10 * np.arange(RATE // 2) / RATE)
        audio[number * length : number * length + len(note)] += note
    said = [line for line in check([write(tmp_path, audio)]).problems if "flute/take.wav" in line]
    assert any("is a melody" in line for line in said) and not any("more than one note" in line for line in said), said


@pytest.mark.parametrize(("name", "heard"), [("E4 soft", 64), ("Bb4", 70), ("cs3-mf", 49), ("F#2", 42)])
def test_a_note_in_the_name_decides_between_octaves(tmp_path, name, heard):
    """An organ with a stop of fifths has the period of the octave below; names are of all common styles."""
    second = np.arange(4 * RATE) / RATE
    f0_hz = 440 * 2 ** ((heard - 69) / 12)
    levels = {1: 0.5, 1.5: 0.2, 2: 0.25}
    audio = sum(level * np.sin(2 * np.pi * k * f0_hz * second) for k, level in levels.items())
    assert _pitch(tmp_path / "unnamed", audio, "take") == heard - 12
    assert _pitch(tmp_path / "named", audio, name) == heard


@pytest.mark.parametrize("name", ["A1", "take a2", "A3", "C4", "B0"])
def test_a_note_in_the_name_that_is_not_in_the_sound_is_refused(tmp_path, name):
    """Each pitch is a period of the tone an octave above it as well: that is no reason to believe a name."""
    folder = write(tmp_path, tone(4.0, 69, RATE), name)
    assert [line for line in check([folder]).problems if "but A4 is heard: the sound decides" in line]
    assert _pitch(tmp_path / "again", tone(4.0, 69, RATE), name) == 69


def _pitch(folder, audio, name):
    (recording,) = find_recordings([write(folder, audio, name)], None).recordings
    notes = []
    convert(recording, notes.append)
    return notes[0].pitch


def test_an_uncertain_octave_is_not_named_where_the_name_tells_it(tmp_path):
    """The second harmonic of this tone is so strong that swift-f0 hears the octave above."""
    second = np.arange(4 * RATE) / RATE
    levels = {1: 0.3, 2: 1.0} | {k: 0.3 / k for k in range(3, 40)}
    audio = 0.2 * sum(level * np.sin(2 * np.pi * k * 32.703 * second) for k, level in levels.items())
    (line,) = [line for line in check([write(tmp_path / "unnamed", audio)]).problems if "uncertain octave" in line]
    assert "C1 was taken" in line
    assert not [line for line in check([write(tmp_path / "named", audio, "C1 soft")]).problems if "octave" in line]


def test_a_clean_tone_of_which_one_method_errs_has_no_uncertain_octave(tmp_path):
    """swift-f0 hears this tone two octaves up, but the sound hardly repeats itself after that period."""
    second = np.arange(2 * RATE) / RATE
    harmonics = sum(np.sin(2 * np.pi * k * 523.25 * second) / k for k in range(1, 9))
    envelope = np.exp(-second / 1.5) * np.minimum(second / 0.02, 1) * np.minimum((2 - second) / 0.02, 1)
    audio = 0.1 * harmonics * envelope + 1e-4 * np.random.default_rng(0).standard_normal(len(second))
    assert not [line for line in check([write(tmp_path, audio)]).problems if "octave" in line]
    assert _pitch(tmp_path, audio, "take") == 72
