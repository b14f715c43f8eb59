"""Pages to play beside the reports of a run: a failure is one warning; a champion of an earlier run has its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.artifacts.training_dir import TrainingDir
from components.evaluate.play_view import ChampionNote
from components.register.step import register
from pipelines.champion_pages import champion_notes
from pipelines.play_page import write_play_page
from tests.register.trainings import write_training


def _trained(folder: Path, loss: float, page: str = "") -> str:
    uri = write_training(folder, loss)
    if page:
        Path(TrainingDir(uri).play_uri).write_text(page)
    return uri


def test_a_page_that_cannot_be_made_is_one_warning_and_no_page_of_another_model_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = TrainingDir(_trained(tmp_path / "runs" / "one" / "string-harmonic", 5.0, page="of another model"))
    (Path(training.model_uri) / "weights.npz").unlink(missing_ok=True)
    monkeypatch.setattr("pipelines.play_page._LOG.propagate", True)
    write_play_page(training.uri)
    (warning,) = caplog.records
    assert warning.levelname == "WARNING"
    assert warning.getMessage().startswith("no page to play string-harmonic: ") and "\n" not in warning.getMessage()
    assert not Path(training.play_uri).exists()


def test_the_champion_of_an_earlier_run_comes_with_its_page_from_mlflow(registry: str, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    first = register([_trained(runs / "one" / "string-harmonic", 4.0, page="the champion's")], registry)
    assert champion_notes(str(runs / "one"), {"string": first}, registry) == {
        "string": ChampionNote(1, "harmonic", of_this_run=True)
    }
    (runs / "one" / "string-harmonic" / "play.html").unlink()  # its directory may be gone
    second = register([_trained(runs / "two" / "string-harmonic", 6.0, page="another")], registry)
    name = "play-string-champion.html"
    assert champion_notes(str(runs / "two"), {"string": second}, registry) == {
        "string": ChampionNote(1, "harmonic", of_this_run=False, page_name=name)
    }
    assert (runs / "two" / name).read_text() == "the champion's"


def test_a_family_without_a_champion_and_one_whose_champion_has_no_page(registry: str, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    bad = register([_trained(runs / "one" / "string-harmonic", 400.0)], registry)
    assert champion_notes(str(runs / "one"), {"string": bad}, registry) == {"string": None}
    register([_trained(runs / "two" / "flute-harmonic", 4.0)], registry)
    behind = register([_trained(runs / "three" / "flute-harmonic", 6.0)], registry)
    found = champion_notes(str(runs / "three"), {"flute": behind}, registry)
    assert found == {"flute": ChampionNote(1, "harmonic", of_this_run=False)}
    assert not list((runs / "three").glob("play-*"))
