"""A microphone and files play the page; what is denied or cannot be read is said in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page

from components.artifacts.model_card import ModelCard
from components.audio.loudness import loudness_db
from components.audio.pitch import track
from components.config.catalog import SYNTHS
from tests.browser import Launch, Watched, new_page
from tests.export.web.pages import is_harmonic_of, open_page, sample, until, wait_for_pitch


def test_what_is_denied_is_said_in_words(browser: Browser, page_path: Path) -> None:
    page = new_page(browser)
    page.add_init_script("navigator.requestMIDIAccess = async () => { throw new DOMException('no') }")
    open_page(page, page_path).click("text=MIDI")
    until(page, "document.querySelector('#message').textContent.includes('MIDI was not allowed')")
    page.close()


@pytest.mark.parametrize(
    "name", ["string_acoustic_940-069-100", "keyboard_acoustic_900-047-050", "flute_acoustic_974-082-050"]
)
def test_the_page_tracks_pitch_within_20_cents_and_loudness_as_the_models_are_trained(opened: Page, name: str) -> None:
    audio = sample(name)[:32_000]
    tracked = opened.evaluate("audio => luthier.track(audio, 'ddsp-3.7')", audio.tolist())
    loudness = np.array(tracked["loudnessDb"])
    np.testing.assert_allclose(loudness, loudness_db(audio[None])[0], atol=0.01)
    wanted = np.array(track(audio).f0_hz)  # every 16 ms
    found, loudness = np.array(tracked["f0Hz"])[::4], loudness[::4]
    sounding = (wanted > 0) & (loudness > np.percentile(loudness, 95) - 45)
    both = sounding & (found > 0)
    assert both.sum() > 0.95 * sounding.sum() > 25
    assert np.median(np.abs(1200 * np.log2(found[both] / wanted[both]))) <= 20


def test_the_microphone_is_heard_and_played(launch: Launch, page_path: Path, tmp_path: Path) -> None:
    """Chromium's fake microphone plays a file again and again: half a second of silence, then a note of a string."""
    note = sample("string_acoustic_940-069-100")[:32_000]
    soundfile.write(tmp_path / "mic.wav", np.concatenate([np.zeros(8_000), note / np.abs(note).max()]), 16_000)
    fake = ("--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={tmp_path / 'mic.wav'}")
    chromium = launch("--use-fake-ui-for-media-stream", *fake)
    watched = Watched(new_page(chromium))
    page = open_page(watched.page, page_path)
    page.get_by_text("Microphone", exact=True).click()
    until(page, "document.querySelector('#heard').textContent.startsWith('Hearing A4')")
    until(page, "document.querySelector('#meter').value > -40")
    until(page, "luthier.sounding")
    assert wait_for_pitch(page, 440.0) > 1e-3  # between two silences
    until(page, "document.querySelector('#heard').textContent === 'No signal.'")
    until(page, "!luthier.sounding")
    page.get_by_text("Keys", exact=True).click()
    page.wait_for_timeout(100)
    assert watched.complaints == []
    chromium.close()


def test_no_microphone_is_said_as_webkit_reports_it(browser: Browser, page_path: Path) -> None:
    page = new_page(browser)
    page.add_init_script("navigator.mediaDevices.getUserMedia = async () => { throw { name: 'OverconstrainedError' } }")
    open_page(page, page_path).get_by_text("Microphone", exact=True).click()
    until(page, "document.querySelector('#message').textContent.includes('There is no microphone')")
    page.close()


def test_a_denied_microphone_is_said_in_words(opened: Page) -> None:
    opened.get_by_text("Microphone", exact=True).click()  # Chromium denies it: nobody can be asked
    until(opened, "document.querySelector('#message').textContent.includes('microphone')")
    words = opened.inner_text("#message")
    assert "The microphone was not allowed" in words or "There is no microphone" in words


def test_a_file_is_transferred_and_downloaded(opened: Page, beginners: dict[str, str], tmp_path: Path) -> None:
    audio = sample("flute_acoustic_974-082-050")[:32_000]
    soundfile.write(tmp_path / "flute.flac", audio, 16_000)
    opened.get_by_text("File", exact=True).click()
    opened.set_input_files("#file", tmp_path / "flute.flac")
    opened.locator("#download").wait_for(state="visible")
    assert "flute.flac, played by" in opened.inner_text("#progress")
    with opened.expect_download() as download:
        opened.click("#download")
    download.value.save_as(tmp_path / "out.wav")
    rendered, rate = soundfile.read(tmp_path / "out.wav")
    assert rate == 48_000 and len(rendered) == 96_000
    spectrum = np.abs(np.fft.rfft(rendered[24_000:72_000] * np.hanning(48_000), 1 << 19))
    found = float(np.argmax(spectrum) * rate / (1 << 19))
    pitch_hz = ModelCard.read(beginners[SYNTHS[0]]).f0_hz
    assert pitch_hz is not None
    flute_hz = 440 * 2.0 ** ((82 - 69) / 12)
    assert is_harmonic_of(found, flute_hz * 2.0 ** round(np.log2(pitch_hz.median / flute_hz)), cents=20), found
    (tmp_path / "notes.wav").write_bytes(b"not audio")
    opened.set_input_files("#file", tmp_path / "notes.wav")
    until(opened, "document.querySelector('#message').textContent.includes('\"notes.wav\" cannot be read as audio')")
