"""The champion is scored on the held-out notes of its challengers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.config.gate import Gate
from components.core.errors import InputError
from components.evaluate.step import evaluate
from components.register.promotion import Score
from components.register.step import register
from pipelines.challenge import score_champion
from tests.evaluate.conftest import EvaluatedRun
from tests.notes import make_note, write_sorted_set


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, evaluated_run: EvaluatedRun, empty_registry: Path) -> str:
    """Where the harmonic string of the run is champion, though it has hardly been trained."""
    uri = f"sqlite:///{shutil.copy(empty_registry, tmp_path_factory.mktemp('registry'))}"
    harmonic = next(uri for uri in evaluated_run.training_uris if uri.endswith("string-harmonic"))
    limits = [name for name in Gate.__annotations__ if name != "margin"]
    lenient = [f"gate.{name} = {0 if name.startswith('min') else 1e6}" for name in limits]
    assert register([harmonic], uri, gate_bindings=lenient).champion is not None
    return uri


def test_the_same_notes_need_not_be_played_again(evaluated_run: EvaluatedRun, registry: str) -> None:
    strings = [uri for uri in evaluated_run.training_uris if "string-" in uri]
    assert score_champion(strings, evaluated_run.data_uri, registry) is None
    keyboards = [uri for uri in evaluated_run.training_uris if "keyboard-" in uri]
    assert score_champion(keyboards, evaluated_run.data_uri, registry) is None  # it has no champion
    assert score_champion(strings, evaluated_run.data_uri, f"sqlite:///{registry}-not-there-yet") is None


def test_other_notes_are_played_by_the_champion(
    evaluated_run: EvaluatedRun, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = {"train": [make_note(pitch=57)], "test": [make_note(pitch=59, seed=5)]}
    data = write_sorted_set(tmp_path / "sorted", notes)
    harmonic = next(uri for uri in evaluated_run.training_uris if uri.endswith("string-harmonic"))
    result = evaluate(harmonic, data, str(tmp_path / "string-harmonic"))
    score = score_champion([str(tmp_path / "string-harmonic")], data, registry)
    # Here it is the same model, so it has the same score.
    assert score == Score(1, result.evaluation.notes_fingerprint, result.evaluation.notes)
    with pytest.raises(InputError, match="expected the sorted set of that evaluation"):
        score_champion([str(tmp_path / "string-harmonic")], evaluated_run.data_uri, registry)
    with pytest.raises(InputError, match=r"none of .* was evaluated"):
        score_champion([str(tmp_path / "nothing")], data, registry)
