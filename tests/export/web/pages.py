"""What tests do with the page of `luthier export --format web`: open it, wait, record what it plays."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import soundfile
from playwright.sync_api import Page

from tests.browser import LIMIT_MS

REPOSITORY = Path(__file__).parents[3]


def open_page(page: Page, path: Path) -> Page:
    page.goto(path.as_uri())
    until(page, "window.luthier && luthier.numbers.loadMs > 0")
    return page


def until(page: Page, condition: str) -> None:
    """Waits; Playwright's own wait needs `eval`, which the page's policy forbids."""
    deadline = time.monotonic() + LIMIT_MS / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(30)


def pitch_hz(page: Page, seconds: float = 0.5) -> tuple[float, float]:
    """Records what the page plays now; returns the pitch of its strongest partial and its peak level."""
    recorded = page.evaluate(
        "s => luthier.record(s).then(({audio, sampleRate}) => ({audio: [...audio], sampleRate}))", seconds
    )
    audio, rate = np.array(recorded["audio"]), recorded["sampleRate"]
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 1 << 19))
    return float(np.argmax(spectrum) * rate / (1 << 19)), float(np.abs(audio).max())


def is_harmonic_of(found_hz: float, f0_hz: float, cents: float = 20.0) -> bool:
    if found_hz <= 0:
        return False
    number = max(1, round(found_hz / f0_hz))
    return abs(1200 * np.log2(found_hz / (number * f0_hz))) <= cents


def play_on(page: Page, seconds: float) -> None:
    """Lets the page play so many seconds of audio, which take longer where the audio thread does not keep up."""
    page.evaluate("s => luthier.record(s).then(() => true)", seconds)


def wait_for_sound(page: Page) -> None:
    until(page, "luthier.sounding")
    play_on(page, 0.3)


def wait_for_pitch(page: Page, f0_hz: float) -> float:
    """Waits until the page plays partials of a pitch, as after a glide; returns the peak level."""
    deadline = time.monotonic() + LIMIT_MS / 1000
    while True:
        found_hz, peak = pitch_hz(page)
        if is_harmonic_of(found_hz, f0_hz):
            return peak
        assert time.monotonic() < deadline, (found_hz, peak)


def wait_for_silence(page: Page) -> None:
    """Waits until the page plays nothing: a voice that is no longer active fades out over a frame or two."""
    until(page, "!luthier.sounding")
    deadline = time.monotonic() + LIMIT_MS / 1000
    while (peak := pitch_hz(page, 0.1)[1]) >= 1e-4:
        assert time.monotonic() < deadline, peak


def sample(name: str) -> np.ndarray:
    return soundfile.read(next((REPOSITORY / "samples").glob(f"*/{name}.flac")), dtype="float32")[0]
