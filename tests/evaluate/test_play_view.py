"""The report's links to pages to play."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from components import storage
from components.evaluate.compare import compare
from components.evaluate.play_view import ChampionNote, PlayLink, PlayView, play_view
from components.evaluate.training_view import TrainingView
from tests.browser import launching, new_page
from tests.conftest import Gcs
from tests.evaluate.conftest import EvaluatedRun


@pytest.fixture(scope="module")
def run(evaluated_run: EvaluatedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of string with a page to play for two of three models."""
    run = tmp_path_factory.mktemp("run with pages")
    for uri in evaluated_run.training_uris[:3]:
        shutil.copytree(uri, run / Path(uri).name)
    for synth in ("harmonic", "wavetable"):
        (run / f"string-{synth}" / "play.html").write_text(f"<title>{synth}</title>")
    return run


@pytest.fixture(scope="module")
def trainings(run: Path) -> list[TrainingView]:
    return [TrainingView.load(str(path)) for path in sorted(run.glob("*-*"))]


def test_every_model_with_a_page_has_a_link_and_the_champion_is_marked(
    run: Path, trainings: list[TrainingView]
) -> None:
    champion = ChampionNote(3, "wavetable", of_this_run=True)
    links = [
        PlayLink("harmonic", "string-harmonic/play.html"),
        PlayLink("wavetable", "string-wavetable/play.html", is_champion=True),
    ]
    assert play_view(trainings, str(run), champion, True) == PlayView(links, "")
    beside = play_view(trainings[:1], f"{run}/string-harmonic", None, False)
    assert beside == PlayView([PlayLink("harmonic", "play.html")], "")
    assert play_view(trainings, str(run / "elsewhere"), None, False) is None


def test_a_run_on_gs(gcs: Gcs, trainings: list[TrainingView]) -> None:
    run = f"{gcs.bucket()}/runs/one"
    storage.write_bytes(f"{run}/string-harmonic/play.html", b"page")
    remote = [replace(each, uri=f"{run}/string-{each.synth}") for each in trainings]
    found = play_view(remote, run, None, False)
    assert found == PlayView([PlayLink("harmonic", "string-harmonic/play.html")], "")


def test_what_is_said_of_the_champion(run: Path, trainings: list[TrainingView]) -> None:
    none = play_view(trainings, str(run), None, True)
    assert none and none.remark == "None of them is champion: none has passed the gate."
    kept = play_view(trainings, str(run), ChampionNote(1, "sinusoidal", False, "play-string-champion.html"), True)
    assert kept and kept.links[-1] == PlayLink("sinusoidal, version 1", "play-string-champion.html", True)
    assert kept.remark == "The champion is still version 1, of an earlier run."
    without = play_view(trainings, str(run), ChampionNote(1, "sinusoidal", of_this_run=False), True)
    assert without and without.remark.endswith("It has no page: luthier export --format web makes one.")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launching() as launch:
        launched = launch()
        yield launched
        launched.close()


def test_a_click_opens_the_page_and_a_copy_of_the_report_says_where_it_is(browser: Browser, run: Path) -> None:
    compare([str(run / "string-harmonic")], str(run), champions={"string": None})
    page = new_page(browser)
    page.goto((run / "report.html").as_uri())
    assert "none has passed the gate" in page.inner_text(".play")
    page.click(".play a")
    page.wait_for_url("**/string-harmonic/play.html")
    assert page.title() == "harmonic"
    page.goto("about:blank")  # as Kubeflow shows the report: without an address
    page.set_content((run / "report.html").read_text())
    assert page.locator(".play a").count() == 1 and page.locator(".play a[href]").count() == 0
    assert "its directory has string-harmonic/play.html" in page.inner_text(".play")
    page.close()
