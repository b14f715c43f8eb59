"""An evaluation that somebody has edited: refused in one line when it is read, or good enough for all that uses it."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.artifacts import evaluation
from components.artifacts.comparison import compare
from components.artifacts.evaluation import Evaluation
from components.artifacts.verdict import family_verdict
from components.config.gate import Gate
from components.core.errors import InputError
from components.evaluate import number_view
from components.evaluate.training_view import TrainingView
from tests.artifacts.samples import EVALUATION

OTHERS = (None, True, "", "x", "../x", 0, -1, 1e308, math.nan, math.inf, [], {}, [None], [{}], {"": ""}, {"a": {}})
DELETED = object()


def read(folder: Path, values: Any) -> Evaluation:
    (folder / "evaluation.json").write_text(json.dumps(values))
    found = evaluation.read(str(folder))
    assert found is not None
    return found


def places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*at, key)
        yield from places(value[key], (*at, key))


def changed(place: tuple[str | int, ...], value: Any) -> Any:
    found = copy.deepcopy(EVALUATION)
    inner: Any = found
    for key in place[:-1]:
        inner = inner[key]
    if value is DELETED:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return found


def use(found: Evaluation, other: Evaluation) -> None:
    """What the commands, the registry and the report make of the scores."""
    assert "spectral loss" in found.text()
    assert not any(map(math.isinf, found.means().values()))
    Gate().failures(found.gate_values())
    family_verdict("string", {"harmonic": found, "sinusoidal": other}, Gate())
    family_verdict("string", {"harmonic": other, "sinusoidal": found}, Gate())
    compare(found.notes, other.notes)
    views = [TrainingView("here", each.family, each.synth, None, [], each) for each in (found, other)]
    number_view.columns(views)
    number_view.spreads(views)
    number_view.groups(views)


def test_what_is_read_can_be_used_whatever_is_missing_or_of_another_type(tmp_path: Path) -> None:
    valid, outcomes = read(tmp_path, EVALUATION), {"read": 0, "refused": 0}
    use(valid, valid)
    for place in places(EVALUATION):
        for value in (DELETED, *OTHERS):
            try:
                found = read(tmp_path, changed(place, value))
            except InputError as error:
                outcomes["refused"] += 1
                assert str(error).endswith("evaluate again") and "\n" not in str(error)
                continue
            outcomes["read"] += 1
            use(found, valid)
    assert min(outcomes.values()) > 100, outcomes


CLIPS = {"original": "a.flac", "resynthesis": "b.flac"}


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("summary",), {}, "in 'summary': it has no 'spectral_loss'"),
        (("summary", "loudness_error_db"), DELETED, "in 'summary': it has no 'loudness_error_db'"),
        (("groups", "register", "low", "means"), {}, "in 'means': it has no 'spectral_loss'"),
        (("notes",), [], r"'notes' is \[\], expected one or more"),
        (("notes", 0, "numbers", "spectral_loss"), math.inf, "'spectral_loss' is inf, expected a number from"),
        (("notes", 0, "numbers", "mfcc_distance"), 1e308, r"'mfcc_distance' is 1e\+308, expected a number from"),
        (("worst", 0, "id"), "another", "expected samples of the notes; 'another' is none of them"),
        (("worst", 0, "clips"), {}, "in 'clips': it has no 'original'"),
        (("heard", 0, "clips"), CLIPS, "in 'clips': it has no 'noise'"),
        (("heard", 0, "clips", "noise"), "a-controls.npz", r"expected the name of a \.flac file"),
        (("heard", 0, "controls"), "a-original.flac", r"expected the name of a \.npz file"),
        (("transfers", 0, "clips", "resynthesis"), DELETED, "in 'clips': it has no 'resynthesis'"),
        (("pieces", 0, "clips", "original"), DELETED, "in 'clips': it has no 'original'"),
    ],
)
def test_what_the_report_and_the_registry_need_is_there(
    tmp_path: Path, place: tuple[str | int, ...], value: Any, said: str
) -> None:
    with pytest.raises(InputError, match=f"evaluation.json' is not an evaluation.*{said}.*; evaluate again$"):
        read(tmp_path, changed(place, value))


def test_a_note_that_only_one_of_two_evaluations_has_is_not_compared(tmp_path: Path) -> None:
    notes = [EVALUATION["notes"][0] | {"id": f"note-{number}"} for number in range(7)]
    whole = read(tmp_path, EVALUATION | {"notes": notes, "worst": []})
    shorter = read(tmp_path, EVALUATION | {"notes": notes[1:], "worst": []})
    assert compare(whole.notes, shorter.notes).notes == compare(shorter.notes, whole.notes).notes == 6
    use(whole, shorter)


def test_a_score_that_does_not_apply_may_be_no_number(tmp_path: Path) -> None:
    found = read(tmp_path, changed(("notes", 0, "numbers", "pitch_error_cents"), math.nan))
    assert found.notes[0].numbers.pitch_error_cents is None
