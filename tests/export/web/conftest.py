"""The page of `luthier export --format web` in a headless Chromium, opened from disk: one browser for these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from components.config.catalog import SYNTHS
from components.export.web.step import PAGE_NAME, export_page
from tests.browser import Launch, Watched, launching, new_page
from tests.export.web.pages import open_page


@pytest.fixture(scope="package")
def launch() -> Iterator[Launch]:
    with launching() as launch:
        yield launch


@pytest.fixture(scope="package")
def browser(launch: Launch) -> Iterator[Browser]:
    chromium = launch()
    yield chromium
    chromium.close()


@pytest.fixture(scope="package")
def page_path(beginners: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the three synths."""
    out = tmp_path_factory.mktemp("page")
    assert export_page([beginners[synth] for synth in SYNTHS], str(out)).error <= 1e-5
    return out / PAGE_NAME


@pytest.fixture
def opened(browser: Browser, page_path: Path) -> Iterator[Page]:
    """The page, which must request nothing and complain about nothing."""
    watched = Watched(new_page(browser, viewport={"width": 1280, "height": 900}))
    yield open_page(watched.page, page_path)
    watched.page.close()
    assert watched.complaints == []
