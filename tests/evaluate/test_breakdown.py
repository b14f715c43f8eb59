"""Numbers of single notes, summed up."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from components.artifacts.evaluation import Evaluation
from components.artifacts.model_card import ModelCard
from components.artifacts.scores import NoteNumbers, Numbers
from components.evaluate import note_selection, number_view
from components.evaluate.breakdown import breakdown, summarise
from components.evaluate.training_view import TrainingView

NUMBERS = Numbers(1.0, 2.0, 3.0, None, None, 4.0, None, None, 0.0)


def note(loss: float, pitch: int = 60, velocity: int = 75, **more: float) -> NoteNumbers:
    return NoteNumbers(f"note-{loss}", pitch, velocity, dataclasses.replace(NUMBERS, spectral_loss=loss, **more))


def test_the_interval_holds_the_mean_and_narrows_with_more_notes() -> None:
    random = np.random.default_rng(1)
    few, many = ([note(loss) for loss in random.normal(5.0, 1.0, count)] for count in (10, 1000))
    for notes in (few, many):
        found = summarise(notes)["spectral_loss"]
        error = np.std([each.numbers.spectral_loss for each in notes]) / np.sqrt(len(notes))
        assert found.low < found.mean < found.high
        assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert summarise(few) == summarise(few)


def test_what_no_note_has_is_left_out() -> None:
    found = summarise([note(1.0), note(2.0, pitch_error_cents=8.0)])
    assert found["pitch_error_cents"].mean == 8.0
    assert "silence_level_db" not in found
    assert (found["spectral_loss"].mean, found["spectral_loss"].median) == (1.5, 1.5)


def test_a_silent_note_leaves_the_means_of_the_others() -> None:
    silent = note(9.0, loudness_error_db=math.nan)
    notes = [silent, note(1.0, loudness_error_db=2.0)]
    assert summarise(notes)["loudness_error_db"].mean == 2.0
    assert breakdown(notes)["register"]["middle"].means["loudness_error_db"] == 2.0
    assert math.isnan(summarise([silent])["loudness_error_db"].mean)


def test_where_all_notes_are_silent_no_number_is_nan() -> None:
    trainings = []
    for synth, level_db in (("harmonic", math.nan), ("wavetable", 2.0)):
        notes, card = [note(1.0, loudness_error_db=level_db, level_bias_db=level_db)], ModelCard("string", synth)
        found = Evaluation(card, "test", "", "", notes, summarise(notes), breakdown(notes), [], [], [])
        trainings.append(TrainingView("string", "string", synth, None, [], found))
    assert trainings[0].evaluation and trainings[0].evaluation.text() == "1 test note: spectral loss 1.00"
    assert trainings[1].evaluation and trainings[1].evaluation.text().endswith("loudness 2.0 dB")
    assert [(cell.text, cell.best) for cell in number_view.columns(trainings)[-1]] == [("–", False), ("2.00", False)]
    rows = dict(number_view.spreads(trainings))
    assert rows["Loudness error, dB"][0] == rows["Level above the original's, dB"][0] == "–"


def test_every_note_is_in_one_register_and_one_velocity() -> None:
    notes = [note(1.0, 47, 25), note(2.0, 48, 50), note(3.0, 71, 127), note(5.0, 72, 127)]
    found = breakdown(notes)
    assert {name: group.notes for name, group in found["register"].items()} == {"low": 1, "middle": 2, "high": 1}
    assert {name: group.notes for name, group in found["velocity"].items()} == {"soft": 2, "loud": 2}
    assert found["register"]["middle"].means["spectral_loss"] == 2.5
    assert "pitch_error_cents" not in found["velocity"]["loud"].means


def test_the_worst_come_first() -> None:
    assert note_selection.worst([note(1.0), note(9.0), note(3.0)], 2) == [1, 2]
