"""The expression of a training: onset, release, decay, vibrato and velocity are found in curves that have them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.artifacts.model_card import ModelCard
from components.play.curves import phrases
from components.play.playing import Playing
from components.play.score import Controllers
from components.play.voices import allocate
from components.train.expression import expression_of

_SECONDS = np.arange(1000) / 250


def _note(pitch, velocity, decay_db_per_s=0.0, vibrato_cents=0.0, onset_s=0.2, release_s=3.0):
    """Returns label, pitch and loudness: a linear attack of 0.1 s, a release of 100 dB/s."""
    level = -40.0 + 0.25 * velocity
    since, after = _SECONDS - onset_s, np.maximum(_SECONDS - release_s, 0.0)
    loudness = level + 40 * np.clip(since / 0.1 - 1, -1, 0) - decay_db_per_s * np.maximum(since, 0) - 100 * after
    f0_hz = 440 * 2 ** ((pitch - 69) / 12 + vibrato_cents / 1200 * np.sin(2 * np.pi * 6 * _SECONDS))
    return (pitch, velocity), f0_hz, np.where(since < 0, -80.0, np.maximum(loudness, -80.0))


def _expression(*notes):
    return expression_of(*(np.array(column) for column in zip(*notes, strict=True)))


def test_a_sustained_note_with_vibrato():
    found = _expression(_note(60, 50, vibrato_cents=20), _note(72, 100, vibrato_cents=20))
    assert found.sustained
    assert (found.lowest_pitch, found.highest_pitch) == (60, 72)
    low, high = found.notes
    assert (low.pitch, low.velocity, high.pitch, high.velocity) == (60, 50, 72, 100)
    assert (low.vibrato_hz, low.vibrato_cents) == (pytest.approx(6, abs=0.3), pytest.approx(20, abs=3))
    assert low.loudness_db[-1] == pytest.approx(-27.5, abs=0.2)
    assert low.loudness_db[0] < -50
    at = found.release_s.index(0.2)
    assert low.release_db[at] == pytest.approx(-20, abs=3)
    assert 0.15 < found.db_per_velocity < 0.26


def test_a_struck_note_decays():
    found = _expression(_note(60, 100, decay_db_per_s=12), _note(62, 100, decay_db_per_s=12))
    assert not found.sustained
    shape = Playing(ModelCard("mallet", "harmonic", expression=found)).shape(61, 100)
    assert np.diff(shape.loudness_db(np.array([1.0, 2.0, 3.0]))) == pytest.approx([-12, -12], abs=0.5)
    assert shape.loudness_db(np.array([4.0]))[0] < shape.loudness_db(np.array([3.0]))[0]


def test_notes_that_tell_nothing_are_left_out():
    short = _note(60, 100, release_s=0.4)
    silent = ((60, 100), np.full(1000, 440.0), np.full(1000, -80.0))
    pitchless = ((60, 100), np.zeros(1000), _note(60, 100)[2])
    assert _expression(short, silent, pitchless) is None
    assert len(_expression(short, silent, pitchless, _note(60, 100)).notes) == 1


def test_many_notes_become_a_few_that_cover_them():
    notes = [_note(40 + i % 40, 30 + 7 * (i % 13)) for i in range(400)]
    found = _expression(*notes)
    assert len(found.notes) == 48
    assert min(note.pitch for note in found.notes) < 45
    assert max(note.pitch for note in found.notes) > 74
    card = ModelCard("string", "harmonic", expression=found)
    assert len(str(card.as_dict())) < 50_000
    assert ModelCard.parse(card.as_dict(), "test") == replace(card, expression=found)


def test_a_played_note_is_like_that_of_the_training():
    notes = [_note(pitch, velocity) for pitch in (60, 64, 67) for velocity in (50, 75, 100)]
    card = ModelCard("string", "harmonic", expression=_expression(*notes))
    (voice,) = allocate([(0.2, 3.0, 64, 75)], Playing(card)).voices
    (phrase,) = phrases(voice, Controllers(), card)
    expected = _note(64, 75)[2]
    inside = slice(70, 790)  # of the recording
    played = phrase.curves.loudness_db[inside.start - phrase.first : inside.stop - phrase.first]
    assert np.abs(played - expected[inside]).mean() < 1.0


@pytest.mark.parametrize("seconds", [0.004, 0.05, 0.28, 0.3, 0.32, 1.0])
@pytest.mark.parametrize("onset_s", [0.0, 0.5, 3.9])
def test_a_burst_of_any_length_is_left_out_or_measured(seconds, onset_s):
    inside = (onset_s <= _SECONDS) & (onset_s + seconds > _SECONDS)
    burst = (84, 127), np.full(1000, 1046.5), np.where(inside, -10.0, -80.0)
    found = _expression(burst, _note(60, 100))
    assert len(found.notes) in (1, 2)
    assert all(np.isfinite(note.loudness_db).all() for note in found.notes)


@pytest.mark.parametrize("onset_s", [0.0, 0.1, 0.5, 1.5])
@pytest.mark.parametrize("decay_db_per_s", [20, 40, 60, 90])
def test_a_quick_decay_is_no_release_wherever_the_note_begins(decay_db_per_s, onset_s):
    """Silence before the note made one: the note was left out as too short."""
    found = _expression(_note(60, 100, decay_db_per_s=decay_db_per_s, onset_s=onset_s, release_s=9.0))
    assert not found.sustained
    (note,) = found.notes
    assert not note.release_db
    first, last = found.times_s.index(0.2), found.times_s.index(0.4)
    assert note.loudness_db[first] - note.loudness_db[last] == pytest.approx(0.2 * decay_db_per_s, abs=2)


@pytest.mark.parametrize("onset_s", [0.0, 0.5])
def test_the_attack_does_not_hide_the_decay_of_a_short_note(onset_s):
    damped = [_note(pitch, 100, 10, onset_s=onset_s, release_s=onset_s + 1.0) for pitch in (60, 62)]
    held = [_note(pitch, 100, 2, onset_s=onset_s, release_s=onset_s + 1.0) for pitch in (60, 62)]
    assert not _expression(*damped).sustained
    assert _expression(*held).sustained
    assert all(note.release_db for note in (*_expression(*damped).notes, *_expression(*held).notes))


def test_of_several_notes_in_a_recording_the_longest_is_measured():
    """Curves across the silence between them gave notes with a gap."""
    first, second = (_note(60, 100, onset_s=onset_s, release_s=end_s) for onset_s, end_s in ((0.1, 0.9), (2.0, 3.2)))
    alone = _expression(second)
    found = _expression((first[0], first[1], np.maximum(first[2], second[2])))
    assert found.sustained
    assert min(found.notes[0].loudness_db[6:]) > -25
    assert found.notes[0].loudness_db == pytest.approx(alone.notes[0].loudness_db, abs=0.2)
    assert found.notes[0].release_db[:9] == pytest.approx(alone.notes[0].release_db[:9], abs=0.2)
