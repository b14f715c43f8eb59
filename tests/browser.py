"""The headless Chromium of the tests: Debian's if it is there, else the one that Playwright installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


LIMIT_MS = 120_000.0
"""Longer than a page takes for anything on a slow and busy machine; a wait ends when its condition holds."""

Launch = Callable[..., Browser]
"""Starts Chromium with further flags."""


@contextmanager
def launching() -> Iterator[Launch]:
    """Yields a function that starts Chromium; a test is skipped, with a word, where there is none."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        if not chromium and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("there is no Chromium: make browser")
        yield lambda *flags: playwright.chromium.launch(
            executable_path=chromium, args=[*FLAGS.split(), *flags], timeout=LIMIT_MS
        )


def new_page(browser: Browser, **options: Any) -> Page:
    """Opens a page whose waits have LIMIT_MS; the options are of Browser.new_page."""
    page = browser.new_page(**options)
    page.set_default_timeout(LIMIT_MS)
    return page


class Watched:
    """A page that keeps what must not happen."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        page.on("request", self._request)

    def _request(self, request: Request) -> None:
        url = request.url
        if not url.startswith(("data:", "file:", "about:", "blob:")):
            self.complaints.append(f"request {url[:80]}")
