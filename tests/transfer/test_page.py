"""The page of a transfer in a browser: headless Chromium, without network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from components.nsynth.note import SAMPLE_RATE_HZ
from components.transfer.analysis import FeatureExtractor
from components.transfer.page import Player, Sound, write_page
from tests.browser import Watched, launching, new_page
from tests.transfer.recordings import sweep

SECONDS = 3.0
PLAYING = (
    "[...document.querySelectorAll('audio')].map((a, i) => !a.paused && a.currentTime > 0 ? i : -1).filter(i => i >= 0)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launching() as launch:
        launched = launch("--autoplay-policy=no-user-gesture-required")
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a recording and of two sounds, each softer than the one before it."""
    folder = tmp_path_factory.mktemp("page")
    sounds = []
    for number, title in enumerate(("recording", "string harmonic", "string wavetable")):
        audio = (0.5**number * sweep(SECONDS, SAMPLE_RATE_HZ)).astype(np.float32)
        player, extractor = Player(folder / f"{number}.mp3"), FeatureExtractor(len(audio))
        player.push(audio)
        extractor.push(audio)
        sounds.append(Sound(title, extractor.finish(), *player.finish(), text="moved by -2 octaves" if number else ""))
    write_page(str(folder / "take.html"), "take.flac", SECONDS, sounds)
    return folder / "take.html"


def opened(browser: Browser, path: Path, width: int = 1280) -> Watched:
    watched = Watched(new_page(browser, viewport={"width": width, "height": 900}))
    watched.page.goto(path.as_uri())
    return watched


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_and_every_picture_is_there(browser: Browser, page_path: Path, width: int) -> None:
    watched = opened(browser, page_path, width)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    images = watched.page.evaluate("[...document.images].map(image => [image.naturalWidth, image.alt])")
    assert len(images) == 4 and all(pixels > 0 and alt for pixels, alt in images)
    assert watched.complaints == []
    watched.page.close()


def test_no_player_loads_before_it_is_played(browser: Browser, page_path: Path) -> None:
    # In WebKitGTK with PulseAudio, a player that waited loaded for some seconds did not start.
    watched = opened(browser, page_path)
    watched.page.wait_for_timeout(300)
    assert watched.page.evaluate("[...document.querySelectorAll('audio')].map(audio => audio.readyState)") == [0, 0, 0]
    watched.page.close()


def test_players_play_one_at_a_time_and_equally_loud_or_not(browser: Browser, page_path: Path) -> None:
    watched = opened(browser, page_path)
    page = watched.page
    for place in (0, 1, 2):
        page.evaluate(f"document.querySelectorAll('audio')[{place}].play()")
        page.wait_for_function(f"{PLAYING}.join() === '{place}'")
    volumes = "[...document.querySelectorAll('audio')].map(audio => audio.volume)"
    assert page.evaluate(volumes) == pytest.approx([0.25, 0.5, 1.0], abs=0.02)
    page.focus("#matched")
    page.keyboard.press("Space")
    assert page.evaluate(volumes) == [1, 1, 1]
    assert watched.complaints == []
    page.close()
