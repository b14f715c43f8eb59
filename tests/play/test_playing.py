"""From notes to curves: parts and models, ranges, voices, legato, loudness by velocity, controllers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from components.artifacts.model_card import ModelCard, Percentiles
from components.core.errors import InputError
from components.play.assignment import assign, place
from components.play.curves import phrases
from components.play.playing import Playing
from components.play.score import Controllers, Part, ScoreNote
from components.play.voices import allocate

_LOUDNESS = Percentiles(-50.0, -25.0, -10.0, (-55.0, -40.0, -25.0, -15.0, -8.0))
ORGAN = ModelCard("organ", "harmonic", f0_hz=Percentiles(196.0, 440.0, 880.0), loudness_db=_LOUDNESS)
PIANO = ModelCard("keyboard", "harmonic", f0_hz=Percentiles(65.0, 261.6, 1046.5), loudness_db=_LOUDNESS)


def _part(*pitches, name="Violin"):
    return Part(name, 1, tuple(ScoreNote(i, i + 1.0, pitch, 80) for i, pitch in enumerate(pitches)), Controllers())


def _curves(card, *notes, controllers=Controllers()):  # noqa: B008  # frozen
    found = allocate(notes, Playing(card))
    return [list(phrases(voice, controllers, card)) for voice in found.voices]


def _at(phrase, seconds):
    return round(seconds * 250) - phrase.first


def test_models_are_given_to_parts():
    parts = [_part(60), _part(62), _part(64)]
    assert assign(parts, ["a"], []) == {1: "a", 2: "a", 3: "a"}
    assert assign(parts, ["a", "b", "c"], []) == {1: "a", 2: "b", 3: "c"}
    assert assign(parts, ["a"], ["2=none", "3=gs://x/y=z"]) == {1: "a", 3: "gs://x/y=z"}


@pytest.mark.parametrize(
    ("models", "chosen", "complaint"),
    [
        ([], [], "got 0 models"),
        (["a", "b"], [], "got 2 models: expected --model once for all of them, once for each"),
        (["a"], ["4=b"], "has parts 1 to 3: 1: Violin"),
        (["a"], ["b"], "expected NUMBER=URI"),
        (["a"], ["²=b"], "expected NUMBER=URI"),
        (["a"], ["1=b", "1=c"], "names a part twice"),
        ([], ["1=none", "2=none", "3=none"], "every part is left out"),
    ],
)
def test_models_that_do_not_fit_the_parts(models, chosen, complaint):
    with pytest.raises(InputError, match=complaint):
        assign([_part(60)] * 3, models, chosen)


def test_a_part_moves_as_a_whole_and_its_last_notes_alone():
    placed = place(_part(40, 43, 45, 66, 72), ORGAN, "transpose")  # trained on E3 (52) to C6 (84)
    assert [note.pitch for note in placed.notes] == [52, 55, 57, 78, 84]
    assert placed.remark == "moved by +1 octave into E3 to C6"
    placed = place(_part(55, 60, 84, 86), ORGAN, "transpose")
    assert [note.pitch for note in placed.notes] == [55, 60, 84, 74]
    assert placed.remark == "1 note moved by octaves into E3 to C6"
    placed = place(_part(55, 86), ORGAN, "play")
    assert [note.pitch for note in placed.notes] == [55, 86]
    assert placed.remark == "1 note outside of the training's E3 to C6"
    assert place(_part(55, 60), ORGAN, "transpose").remark == ""


def test_chords_go_to_voices_and_a_line_stays_in_one():
    chord = [(0, 1, 60, 80), (0, 1, 64, 80), (0.01, 1, 67, 80), (1, 2, 59, 80), (1, 2, 62, 80)]
    chords = allocate(chord, Playing(ORGAN))
    assert [[note.pitch for note in voice] for voice in chords.voices] == [[60, 59], [64, 62], [67]]
    line = allocate([(0, 1.05, 60, 80), (1, 2, 62, 80), (2.5, 3, 64, 80)], Playing(ORGAN))
    assert [[(note.pitch, note.legato, note.end_s) for note in voice] for voice in line.voices] == [
        [(60, False, 1), (62, True, 2), (64, False, 3)]
    ]
    piano = allocate([(0, 1, 60, 80), (1, 2, 62, 80)], Playing(PIANO))
    assert [[note.legato for note in voice] for voice in piano.voices] == [[False], [False]]


def test_more_notes_than_voices_cut_the_oldest():
    found = allocate([(i / 100, 9, 40 + i, 80) for i in range(20)], Playing(PIANO))
    assert (len(found.voices), found.cut_notes) == (16, 4)
    assert all(a.end_s <= b.start_s for voice in found.voices for a, b in pairwise(voice))


def test_a_note_rises_is_held_and_ends_in_silence():
    ((phrase,),) = _curves(ORGAN, (1.0, 2.0, 69, 80))
    curves = phrase.curves
    np.testing.assert_allclose(curves.f0_hz, 440.0, rtol=1e-4)
    assert curves.gate[_at(phrase, 0.93)] == 0
    assert curves.gate[_at(phrase, 1.5)] == 1
    assert curves.gate[-1] == 0
    loudness = curves.loudness_db
    assert loudness[_at(phrase, 0.99)] < loudness[_at(phrase, 1.5)] - 10
    assert loudness[_at(phrase, 1.5)] == pytest.approx(loudness[_at(phrase, 1.9)], abs=0.1)
    assert loudness[_at(phrase, 2.15)] < loudness[_at(phrase, 1.9)] - 30


def test_velocity_makes_notes_louder_within_the_training():
    levels = [_curves(ORGAN, (0, 1, 69, velocity))[0][0].curves.loudness_db.max() for velocity in (1, 40, 80, 127)]
    assert sorted(levels) == levels
    assert -45 < levels[0] < levels[-1] - 15 < -20


def test_legato_glides_without_a_gap():
    ((phrase,),) = _curves(ORGAN, (0, 1, 60, 80), (1, 2, 67, 80))
    f0_hz, loudness = phrase.curves.f0_hz, phrase.curves.loudness_db
    middle = f0_hz[_at(phrase, 1.0) : _at(phrase, 1.05)]
    assert (np.diff(middle) > 0).all()
    assert loudness[_at(phrase, 0.9) : _at(phrase, 1.9)].min() > loudness[_at(phrase, 0.9)] - 4


def test_a_long_silence_parts_the_phrases():
    ((first, second),) = _curves(ORGAN, (0, 1, 60, 80), (600, 601, 60, 80))
    assert len(first.curves.f0_hz) < 500
    assert 599.7 * 250 < second.first < 600 * 250


def test_controllers_bend_and_soften():
    controllers = Controllers(bend=((0.5, 2.0),), expression=((0.5, 40.0),), modulation=((1.0, 127.0),))
    ((phrase,),) = _curves(ORGAN, (0, 2, 69, 100), controllers=controllers)
    f0_hz, loudness = phrase.curves.f0_hz, phrase.curves.loudness_db
    assert f0_hz[_at(phrase, 0.4)] == pytest.approx(440.0, rel=1e-3)
    assert f0_hz[_at(phrase, 0.8)] == pytest.approx(493.9, rel=1e-3)
    softer = loudness[_at(phrase, 0.4)] - loudness[_at(phrase, 0.8)]
    assert softer == pytest.approx(-40 * np.log10(40 / 127), abs=1.0)
    assert 1200 * np.log2(np.ptp(f0_hz[_at(phrase, 1.1) : _at(phrase, 1.9)]) / 493.9 + 1) == pytest.approx(100, abs=8)


def test_softer_than_the_training_is_a_matter_of_gain():
    ((phrase,),) = _curves(ORGAN, (0, 2, 69, 100), controllers=Controllers(expression=((0.0, 4.0),)))
    middle = _at(phrase, 1.0)
    assert phrase.curves.loudness_db[middle] == pytest.approx(-55.0, abs=0.1)
    assert phrase.curves.gate[middle] < 0.2


def test_a_note_between_two_others_ends_where_the_next_begins():
    ((phrase,),) = _curves(ORGAN, (0, 0.5, 60, 80), (0.6, 0.604, 64, 80), (0.61, 1.5, 67, 80))
    f0_hz = phrase.curves.f0_hz
    assert f0_hz[_at(phrase, 0.3)] == pytest.approx(261.6, rel=1e-3)
    assert f0_hz[_at(phrase, 1.0)] == pytest.approx(392.0, rel=1e-3)
    assert (phrase.curves.gate[_at(phrase, 0.7) : _at(phrase, 1.5)] == 1).all()


def test_a_note_shorter_than_its_attack_is_heard():
    ((long,),), ((short,),) = _curves(ORGAN, (0, 1, 69, 80)), _curves(ORGAN, (0, 0.02, 69, 80))
    assert short.curves.loudness_db.max() > long.curves.loudness_db.max() - 6
