"""The drawn keyboard by fingers and by a mouse that leaves it, and the start of the sound by a touch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import LIMIT_MS, Launch, Watched, new_page
from tests.export.web.pages import open_page, until, wait_for_pitch, wait_for_sound


class Fingers:
    """Touches of Chromium's own input, by number; events of a script would not count as a user's."""

    def __init__(self, page: Page) -> None:
        self.devtools = page.context.new_cdp_session(page)
        self.down: set[int] = set()

    def touch(self, finger: int, place: tuple[float, float]) -> None:
        self._send("touchMove" if finger in self.down else "touchStart", finger, place)
        self.down.add(finger)

    def lift(self, finger: int, place: tuple[float, float]) -> None:
        self.down.remove(finger)
        self._send("touchEnd", finger, place)

    def cancel(self) -> None:
        self.down.clear()
        self.devtools.send("Input.dispatchTouchEvent", {"type": "touchCancel", "touchPoints": []})

    def _send(self, kind: str, finger: int, place: tuple[float, float]) -> None:
        point = {"x": place[0], "y": place[1], "id": finger}
        self.devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})

    def read(self, expression: str) -> Any:
        """A value of the page; Playwright's own `evaluate` counts as a gesture of the user."""
        asked = {"expression": expression, "returnByValue": True}
        return self.devtools.send("Runtime.evaluate", asked)["result"].get("value")

    def wait_until(self, condition: str) -> None:
        deadline = time.monotonic() + LIMIT_MS / 1000
        while not self.read(condition):
            assert time.monotonic() < deadline, condition
            time.sleep(0.03)

    def key(self, number: int) -> tuple[int, tuple[float, float]]:
        """The note of a white key, and a place on it."""
        key = f"document.querySelectorAll('#keyboard .white')[{number}]"
        box = f"{key}.getBoundingClientRect()"
        note, x, y = self.read(f"[+{key}.dataset.note, {box}.x + {box}.width / 2, {box}.bottom - 10]")
        return note, (x, y)


def hz(note: int) -> float:
    return 440 * 2.0 ** ((note - 69) / 12)


def wait_for_keys(page: Page, *notes: int) -> None:
    """Waits until these keys are shown as pressed: the browser delivers the moves of a finger once a frame."""
    shown = "[...document.querySelectorAll('#keyboard .pressed')].map(key => key.dataset.note).join()"
    until(page, f"{shown} === '{','.join(map(str, notes))}'")


@pytest.fixture
def touched(browser: Browser, page_path: Path) -> Iterator[Page]:
    """The page on a small touch screen, which must complain about nothing."""
    watched = Watched(new_page(browser, viewport={"width": 390, "height": 780}, has_touch=True))
    yield open_page(watched.page, page_path)
    watched.page.close()
    assert watched.complaints == []


def test_fingers_play_chords_slide_and_leave(touched: Page) -> None:
    touched.select_option("#voices", "4")
    fingers = Fingers(touched)
    (first, at_first), (second, at_second), (third, at_third) = (fingers.key(number) for number in (0, 2, 4))
    fingers.touch(1, at_first)
    fingers.touch(2, at_second)
    until(touched, "luthier.soundingVoices === 2")
    fingers.touch(2, at_third)
    wait_for_keys(touched, first, third)
    fingers.touch(2, at_first)  # over the key that the other finger holds, and back
    wait_for_keys(touched, first)
    fingers.touch(2, at_second)
    wait_for_keys(touched, first, second)
    fingers.lift(2, at_second)
    until(touched, "luthier.soundingVoices === 1")
    wait_for_pitch(touched, hz(first))
    outside = (at_first[0], at_first[1] + 200)
    fingers.touch(1, outside)
    fingers.lift(1, outside)
    until(touched, "!luthier.sounding")
    fingers.touch(1, at_first)
    wait_for_sound(touched)
    fingers.cancel()
    until(touched, "!luthier.sounding")
    wait_for_keys(touched)


def test_the_first_touch_starts_the_sound_when_it_ends(launch: Launch, page_path: Path) -> None:
    chromium = launch("--autoplay-policy=document-user-activation-required")
    page = new_page(chromium, viewport={"width": 390, "height": 780}, has_touch=True)
    page.goto(page_path.as_uri())
    fingers = Fingers(page)
    fingers.wait_until("luthier.numbers.loadMs > 0")
    note, place = fingers.key(2)
    fingers.touch(1, place)
    fingers.wait_until("luthier.sound.running && luthier.sound.context.state === 'suspended'")
    fingers.lift(1, place)
    fingers.wait_until("luthier.sound.context.state === 'running'")
    fingers.touch(1, place)
    wait_for_sound(page)
    wait_for_pitch(page, hz(note))
    fingers.lift(1, place)
    until(page, "!luthier.sounding")
    chromium.close()


def test_a_mouse_that_is_released_outside_of_the_keys_lifts_its_key(opened: Page) -> None:
    _, (x, y) = Fingers(opened).key(2)
    opened.mouse.move(x, y)
    opened.mouse.down()
    wait_for_sound(opened)
    opened.mouse.move(x, y - 300)
    opened.mouse.up()
    until(opened, "!luthier.sounding")
    opened.mouse.move(x, y)
    opened.wait_for_timeout(200)
    wait_for_keys(opened)
