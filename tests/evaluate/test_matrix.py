"""The content of the transfer matrix, before it is rendered."""

from __future__ import annotations

import base64
import dataclasses
import io

import pytest
import soundfile

from components.config.bindings import gate_of
from components.evaluate.matrix_view import matrix
from components.evaluate.report import render
from components.evaluate.training_view import TrainingView
from components.nsynth.note import SAMPLE_RATE_HZ
from tests.evaluate.conftest import EvaluatedRun


@pytest.fixture
def trainings(evaluated_run: EvaluatedRun) -> list[TrainingView]:
    return [TrainingView.load(uri) for uri in evaluated_run.training_uris]


def _samples(data_uri: str) -> int:
    """Returns how many samples a clip of the page has."""
    return soundfile.info(io.BytesIO(base64.b64decode(data_uri.partition(",")[2]))).frames


def test_rows_are_notes_and_columns_are_models(trainings: list[TrainingView]) -> None:
    found = matrix(trainings, seconds=1.5)
    assert found is not None
    assert found.families == [("string", 3), ("keyboard", 1)]
    assert found.synths == ["harmonic", "sinusoidal", "wavetable", "harmonic"]
    assert [row.family for row in found.rows] == ["string", "keyboard"]  # own notes are a diagonal
    own = [[cell.own for cell in row.cells] for row in found.rows]
    assert own == [[True, True, True, False], [False, False, False, True]]
    some = [clip for row in found.rows for clip in (row.original, *(cell.clip for cell in row.cells))]
    assert [_samples(clip.audio) for clip in some if clip] == pytest.approx([1.5 * SAMPLE_RATE_HZ] * 10, rel=0.05)
    assert all(cell.facts for row in found.rows for cell in row.cells)


def test_facts_are_words(trainings: list[TrainingView]) -> None:
    evaluation = trainings[0].evaluation
    assert evaluation is not None
    keyboard, string = evaluation.transfers
    moved = dataclasses.replace(keyboard, octaves=-2, pitch_error_cents=1.2, pitch_heard_share=0.5)
    lost = dataclasses.replace(string, octaves=1, pitch_error_cents=None, pitch_heard_share=0.0)
    found = matrix([_with(trainings[0], transfers=[moved, lost])])
    assert found is not None
    assert found.rows[1].cells[0].facts == ("pitch error 1 cent", "pitch detected in 50 %", "2 octaves down")
    assert found.rows[0].cells[0].facts == ("no pitch detected", "1 octave up")
    assert _samples(found.rows[0].original.audio) == pytest.approx(4 * SAMPLE_RATE_HZ, rel=0.05)


def test_a_model_that_was_evaluated_on_another_note_or_none_says_so(trainings: list[TrainingView]) -> None:
    first, second, third, _ = trainings
    assert second.evaluation is not None
    keyboard, string = second.evaluation.transfers
    second = _with(second, transfers=[dataclasses.replace(keyboard, id="another"), string])
    found = matrix([first, second, _with(third, transfers=[string])])
    assert found is not None
    assert [cell.missing for cell in found.rows[1].cells] == ["", "evaluated on another note", "not resynthesised"]


def test_without_another_family_there_is_no_matrix(trainings: list[TrainingView]) -> None:
    evaluation = trainings[0].evaluation
    assert evaluation is not None
    assert matrix([_with(trainings[0], transfers=evaluation.transfers[1:])]) is None
    assert matrix([dataclasses.replace(trainings[0], evaluation=None)]) is None


def test_of_many_families_the_winners_alone_are_shown(trainings: list[TrainingView]) -> None:
    names = ("brass", "flute", "reed", "string", "vocal")
    many = [dataclasses.replace(each, family=name) for name in names for each in trainings[:3]]
    page = render(many, "all", gate_of(), {})["report.html"]
    assert page.count('<span class="model">') == 2 * len(names)
    assert "Only the best model of each family is shown." in page


def _with(training: TrainingView, **changes: object) -> TrainingView:
    assert training.evaluation is not None
    return dataclasses.replace(training, evaluation=dataclasses.replace(training.evaluation, **changes))
