"""The report in a browser: headless Chromium, without network."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from components.evaluate.compare import compare
from tests.evaluate.conftest import HOSTILE_ID, EvaluatedRun

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")  # None: the one that Playwright installed
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=FLAGS.split())
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def report(evaluated_run: EvaluatedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The comparison of three string synths and of two keyboard synths, one of which was never trained."""
    out = tmp_path_factory.mktemp("compare")
    compare([*evaluated_run.training_uris, str(out / "keyboard-wavetable")], str(out))
    return out / "report.html"


class Watched:
    """A page that keeps what must not happen."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        page.on("request", self._request)

    def _request(self, request: object) -> None:
        url = request.url  # type: ignore[attr-defined]
        if not url.startswith(("data:", "file:", "about:")):
            self.complaints.append(f"request {url[:80]}")


def opened(browser: Browser, report: Path, width: int = 1280) -> Watched:
    watched = Watched(browser.new_page(viewport={"width": width, "height": 900}))
    watched.page.goto(report.as_uri())
    watched.page.wait_for_function(
        "[...document.querySelectorAll('audio[controls]')].every(audio => audio.readyState >= 1)"
    )
    return watched


@pytest.mark.parametrize("width", [1280, 768, 390])
def test_nothing_to_complain_about_at_any_width(browser: Browser, report: Path, width: int) -> None:
    watched = opened(browser, report, width)
    watched.page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    narrowest = "Math.min(...[...document.querySelectorAll('.note .clip img')].map(image => image.clientWidth))"
    assert watched.page.evaluate(narrowest) > 200
    assert watched.page.evaluate(narrowest.replace(".note", ".matrix")) > 75
    assert watched.complaints == []
    watched.page.close()


def test_every_picture_is_there_and_described(browser: Browser, report: Path) -> None:
    page = opened(browser, report).page
    images = page.evaluate("[...document.images].map(image => [image.naturalWidth, image.alt])")
    assert len(images) > 30
    assert all(width > 0 and alt for width, alt in images)
    unlabelled = page.evaluate("[...document.querySelectorAll('svg, audio, button')].filter(e => !e.ariaLabel).length")
    assert unlabelled == 0
    page.close()


def test_every_clip_decodes_and_plays(browser: Browser, report: Path) -> None:
    watched = opened(browser, report)
    played = watched.page.evaluate(
        """async () => {
          const results = [];
          for (const audio of document.querySelectorAll("audio")) {
            audio.muted = true;
            audio.playbackRate = 8;
            const moved = new Promise((resolve) => {
              audio.addEventListener("timeupdate", () => audio.currentTime > 0 && resolve());
              setTimeout(resolve, 5000);
            });
            await audio.play();
            await moved;
            results.push([audio.duration, audio.currentTime, audio.error]);
            audio.pause();
          }
          return results;
        }"""
    )
    # string: 2 notes in 3 synths; keyboard: the same in 1. A clip of the original, two of each synth. Then the matrix:
    # 2 notes, the original and the 4 models.
    whole, matrix = 2 * (1 + 3 * 2) + 2 * (1 + 2), 2 * (1 + 4)
    assert [duration for duration, _, _ in played] == pytest.approx([4.0] * whole + [2.0] * matrix, abs=0.01)
    assert all(time > 0 and error is None for _, time, error in played)
    assert watched.complaints == []
    watched.page.close()


def test_a_press_on_a_picture_plays_it_and_stops_the_other(browser: Browser, report: Path) -> None:
    page = opened(browser, report).page
    playing = "[...document.querySelectorAll('audio')].map((audio, i) => audio.paused ? -1 : i).filter(i => i >= 0)"
    for place in (0, 1):
        page.locator(".clip button").nth(place).click(position={"x": 5, "y": 20})
        page.wait_for_function(f"{playing}.join() === '{place}'")
    assert page.locator(".clip.playing").count() == 1
    page.wait_for_function("+getComputedStyle(document.querySelectorAll('.picture')[1]).getPropertyValue('--at') > 0")
    page.close()


def test_a_cell_of_the_matrix_plays_by_keyboard_too(browser: Browser, report: Path) -> None:
    page = opened(browser, report, 390).page
    cell = page.locator(".matrix td .clip").nth(2)
    cell.locator("button").focus()
    page.keyboard.press("Enter")
    page.locator(".matrix .clip.playing").wait_for()
    assert cell.get_attribute("class") == "clip playing"
    assert not page.locator(".matrix thead").is_visible()
    assert page.locator(".matrix td .model").nth(2).inner_text().split() == ["string", "wavetable"]
    page.close()


def test_the_report_of_one_training_has_a_column_of_the_matrix(browser: Browser, evaluated_run: EvaluatedRun) -> None:
    watched = opened(browser, Path(evaluated_run.training_uris[0], "report.html"))
    page = watched.page
    assert page.locator("#transfers h2").inner_text() == "Timbre transfer to string"
    assert page.locator(".matrix tbody tr").count() == page.locator(".matrix td").count() == 2
    assert page.locator(".matrix td.own").count() == 1
    assert page.evaluate("document.querySelector('#transfers audio').src.length") > 10_000
    assert watched.complaints == []
    page.close()


def test_it_works_in_a_frame_that_allows_scripts_only(browser: Browser, report: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer.html"
    outer.write_text(
        f'<link rel="icon" href="data:,"><iframe sandbox="allow-scripts" src="{report.as_uri()}"></iframe>'
    )
    watched = Watched(browser.new_page())
    watched.page.goto(outer.as_uri())
    frame = watched.page.frame_locator("iframe")
    frame.locator(".clip button").first.click()
    frame.locator(".clip.playing").wait_for()
    assert watched.complaints == []
    watched.page.close()


def test_ids_are_text(browser: Browser, report: Path) -> None:
    page = opened(browser, report).page
    assert page.locator("code", has_text=HOSTILE_ID).count() > 0
    assert page.locator("script").count() == 1
    assert HOSTILE_ID not in report.read_text()
    page.close()


def test_it_is_self_contained_and_of_a_sendable_size(report: Path) -> None:
    text = report.read_text()
    sources = re.findall(r'(?:src|href)="([^"]{0,40})', text)
    assert sources
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert len(text) < 6 * MEBIBYTE


def test_in_print_everything_is_unfolded(browser: Browser, report: Path) -> None:
    page = opened(browser, report).page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert not page.locator("audio").first.is_visible()
    assert page.locator(".matrix td .model").first.is_visible()  # its columns have no heads there
    assert page.locator(".matrix td.own").first.inner_text().endswith("own")
    page.close()


def test_it_says_who_won_and_what_is_missing(browser: Browser, report: Path, evaluated_run: EvaluatedRun) -> None:
    page = opened(browser, report).page
    string, keyboard = page.locator(".outcome").all_inner_texts()
    assert string.startswith(f"String: {evaluated_run.best_string_synth} wins by")
    assert "Missing: wavetable was not trained." in keyboard
    assert page.locator("h1").count() == 1
    page.close()
