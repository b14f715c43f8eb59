"""Keys, mouse and MIDI play the page: pitch, voices, legato, pedal, bend; and notes as the training played them."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from components.artifacts.model_card import ModelCard
from components.config.catalog import SYNTHS
from components.play.curves import phrases
from components.play.playing import Playing
from components.play.score import Controllers
from components.play.voices import allocate
from tests.browser import Watched, new_page
from tests.export.web.pages import open_page, play_on, until, wait_for_pitch, wait_for_silence, wait_for_sound


def test_computer_keys_play_their_pitch_and_legato_glides(opened: Page) -> None:
    octave = int(opened.inner_text("#octave"))
    a_hz = 440 * 2.0 ** (octave - 4)
    start = time.monotonic()
    opened.keyboard.down("n")
    wait_for_sound(opened)
    waited_ms = 1000 * (time.monotonic() - start)
    assert wait_for_pitch(opened, a_hz) > 1e-3
    opened.keyboard.down("q")  # the C above, while N is held
    wait_for_pitch(opened, a_hz * 2 ** (3 / 12))
    opened.keyboard.up("q")
    wait_for_pitch(opened, a_hz)
    opened.keyboard.up("n")
    wait_for_silence(opened)
    numbers = opened.evaluate("luthier.numbers")
    assert 0 < numbers["attackMs"] < waited_ms and 0 <= numbers["load"] <= 1


def test_the_latency_of_the_device_is_not_read(browser: Browser, page_path: Path) -> None:
    """Firefox on Linux waits for its audio thread when it is read, and the page freezes."""
    page = new_page(browser)
    latency = "{ get() { window.asked = true; return 0.02; } }"
    page.add_init_script(f"Object.defineProperty(AudioContext.prototype, 'outputLatency', {latency})")
    open_page(page, page_path).keyboard.down("n")
    wait_for_sound(page)
    until(page, "document.querySelector('#latency').textContent.includes('ms')")
    assert not page.evaluate("window.asked")
    page.close()


def test_four_voices_sound_at_once(opened: Page) -> None:
    opened.select_option("#voices", "4")
    octave = int(opened.inner_text("#octave"))
    for key in "zcb":
        opened.keyboard.down(key)
    wait_for_sound(opened)
    until(opened, "luthier.soundingVoices === 3")
    for key in "zcb":
        opened.keyboard.up(key)
    until(opened, "luthier.soundingVoices === 0")
    assert octave == int(opened.inner_text("#octave"))


@pytest.mark.parametrize("way", ["mouse", "focus"])
def test_the_drawn_keyboard_plays_by_mouse_and_by_keys_alone(opened: Page, way: str) -> None:
    key = opened.locator("#keyboard .white").nth(2)  # E
    note = int(key.get_attribute("data-note") or 0)
    if way == "mouse":
        box = key.bounding_box()
        opened.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 10)
        opened.mouse.down()
    else:
        opened.locator("#keyboard button").first.focus()
        for _ in range(4):
            opened.keyboard.press("ArrowRight")
        opened.keyboard.down("Enter")
    wait_for_sound(opened)
    wait_for_pitch(opened, 440 * 2 ** ((note - 69) / 12))
    opened.mouse.up() if way == "mouse" else opened.keyboard.up("Enter")
    until(opened, "!luthier.sounding")


_FAKE_MIDI = """
  const input = { id: 'one', name: 'Fake keys', state: 'connected', onmidimessage: null };
  const access = { inputs: new Map([['one', input]]), onstatechange: null };
  window.fakeMidi = {
    send: (...data) => input.onmidimessage && input.onmidimessage({ data: new Uint8Array(data) }),
    leave: () => { input.state = 'disconnected'; access.inputs.delete('one'); access.onstatechange({}); },
  };
  navigator.requestMIDIAccess = async () => access;
"""


def test_midi_plays_with_bend_and_pedal_and_the_device_may_leave(browser: Browser, page_path: Path) -> None:
    watched = Watched(new_page(browser))
    watched.page.add_init_script(_FAKE_MIDI)
    page = open_page(watched.page, page_path)
    page.click("text=MIDI")
    until(page, "document.querySelector('#device').options.length === 2")
    assert "Fake keys" in page.inner_text("#device")
    page.evaluate("fakeMidi.send(0x90, 64, 100)")
    wait_for_sound(page)
    e_hz = 440 * 2 ** (-5 / 12)
    wait_for_pitch(page, e_hz)
    page.evaluate("fakeMidi.send(0xe0, 127, 127)")  # two semitones up
    wait_for_pitch(page, e_hz * 2 ** (2 / 12))
    page.evaluate("fakeMidi.send(0xb0, 64, 127); fakeMidi.send(0x80, 64, 0)")
    play_on(page, 0.8)
    assert page.evaluate("luthier.sounding")  # held by the pedal
    page.evaluate("fakeMidi.leave()")
    until(page, "!luthier.sounding && document.querySelector('#device').options.length === 1")
    assert watched.complaints == []
    page.close()


def test_another_instrument_is_chosen_while_playing(opened: Page) -> None:
    opened.keyboard.down("n")
    wait_for_sound(opened)
    opened.keyboard.up("n")
    opened.select_option("#model", index=1)
    until(opened, f"document.title.includes('{SYNTHS[1]}')")
    opened.locator("#title").click()
    opened.keyboard.down("n")
    wait_for_sound(opened)
    opened.keyboard.up("n")


@pytest.mark.parametrize("synth", ["harmonic", "sinusoidal"])  # with expression in its card, and without
def test_keys_are_played_as_the_notes_of_a_score(opened: Page, beginners: dict[str, str], synth: str) -> None:
    card = ModelCard.read(beginners[synth])
    # Seconds and pitches: a note, one that is legato to it, and after its release one that is struck again.
    notes = [(0.2, 1.2, 69, 100), (1.12, 2.0, 72, 60), (2.1, 2.9, 72, 120)]
    (voice,) = allocate(notes, Playing(card)).voices
    assert [note.legato for note in voice] == [False, True, False]
    (phrase,) = phrases(voice, Controllers(), card)
    keys = [
        {"frame": round(250 * seconds), "note": pitch, "velocity": level}
        for start, end, pitch, velocity in notes
        for seconds, level in ((start, velocity / 127), (end, 0))
    ]
    found = opened.evaluate(
        "([number, keys, frames]) => luthier.perform(number, keys, frames)",
        [SYNTHS.index(synth), keys, phrase.first + len(phrase.curves.f0_hz) + 100],
    )
    frames = np.arange(round(250 * 0.2), round(250 * voice[-1].silent_from_s))
    frames = frames[(frames < 250 * 2.1 - 4) | (frames >= 250 * 2.1)]  # a key is not known 16 ms in advance
    wanted = phrase.curves.loudness_db[frames - phrase.first]
    np.testing.assert_allclose(np.array(found["loudnessDb"])[frames], wanted, atol=0.01)
    cents = 1200 * np.log2(np.array(found["f0Hz"])[frames] / phrase.curves.f0_hz[frames - phrase.first])
    assert np.abs(cents).max() < 3.0
    assert not found["sounding"][-1]
