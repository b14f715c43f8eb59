"""The page of `luthier export --format web`, in a real headless Chromium, opened from disk."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page

from components.audio.pitch import track
from components.config.catalog import SYNTHS
from components.core.errors import InputError
from components.export.web.page import ARTEFACT_NAME
from components.export.web.step import PAGE_NAME, export_page
from components.synths.instrument import Instrument
from components.synths.loudness import loudness_db
from tests.browser import Launch, Watched, launching
from tests.export.conftest import beginner

_REPOSITORY = Path(__file__).parents[2]
_SOURCE = _REPOSITORY / "web"
_PRESETS = ("vst", "standard")  # seed is smaller than vst
_TABLE_OF_EVERY_FRAME = (
    "luthier.Wavetable.tables = 0",
    "luthier.Wavetable.band_limited = False",
    "luthier.RnnFcDecoder.output_splits = (('amps', 1), ('wavetables', 128), ('noise_magnitudes', 65))",
)
_LARGEST_BYTES = {"vst": 4_000_000, "standard": 15_000_000}
_FRAMES = 60


@pytest.fixture(scope="module")
def launch() -> Iterator[Launch]:
    with launching() as launch:
        yield launch


@pytest.fixture(scope="module")
def browser(launch: Launch) -> Iterator[Browser]:
    chromium = launch()
    yield chromium
    chromium.close()


@pytest.fixture(scope="module")
def page_path(beginners: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the three synths."""
    out = tmp_path_factory.mktemp("page")
    assert export_page([beginners[synth] for synth in SYNTHS], str(out)).error <= 1e-5
    return out / PAGE_NAME


@pytest.fixture
def opened(browser: Browser, page_path: Path) -> Iterator[Page]:
    """The page, which must request nothing and complain about nothing."""
    watched = Watched(browser.new_page(viewport={"width": 1280, "height": 900}))
    yield _opened(watched.page, page_path)
    watched.page.close()
    assert watched.complaints == []


def _opened(page: Page, path: Path) -> Page:
    page.goto(path.as_uri())
    _until(page, "window.luthier && luthier.numbers.loadMs > 0")
    return page


def _until(page: Page, condition: str) -> None:
    """Waits; Playwright's own wait needs `eval`, which the page's policy forbids."""
    deadline = time.monotonic() + 30
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(30)


def _curves() -> tuple[np.ndarray, np.ndarray]:
    f0_hz = np.geomspace(170, 900, _FRAMES, dtype=np.float32)
    f0_hz[40:] = 330.0
    return f0_hz, (-30 + 25 * np.sin(np.linspace(0, 7, _FRAMES))).astype(np.float32)


def _white(samples: int) -> np.ndarray:
    import tensorflow as tf

    from components.synths.noise import white

    return white(1, samples, tf.constant([0, 0])).numpy()[0]


def _assert_equal_to_the_model(page: Page, number: int, model_uri: str) -> None:
    """Compares controls within 1e-3, and the audio with the same noise within 1e-3 of the peak."""
    from components.synths.xla import without_xla

    instrument, (f0_hz, loudness_db) = Instrument.load(model_uri), _curves()
    with without_xla():
        wanted = instrument.play(f0_hz[None], loudness_db[None])
    stride, noise = instrument.stride, _white(_FRAMES * 64)
    curves = [values[::stride].tolist() for values in (f0_hz, loudness_db)]
    found = page.evaluate(
        "([number, f0, db, noise]) => luthier.render(number, f0, db, 16000, noise)", [number, *curves, noise.tolist()]
    )
    expected = {name: values[0, ::stride] for name, values in wanted["controls"].items()}
    assert np.ptp(expected["amplitudes"], axis=0).max() > 1e-3
    controls = _controls(found["controls"], instrument.card.synth)
    for name, values in controls.items():
        size = np.maximum(np.abs(expected[name]), 1.0)
        assert np.abs((values - expected[name]) / size).max() <= 1e-3, name
    audio, of_model = np.array(found["audio"]), _audio_of(instrument, {**expected, **controls}, noise)
    late = controls["noise_magnitudes"].shape[1] - 3  # samples: the page's noise filter
    held = 64 * stride  # the model holds its last frame, while the page goes on
    assert np.abs(audio[late:-held] - of_model[: -held - late]).max() <= 1e-3 * np.abs(of_model).max()
    np.testing.assert_allclose(of_model, wanted["tonal"][0] + wanted["noise"][0], atol=5e-3 * np.abs(of_model).max())


def _audio_of(instrument: Instrument, controls: dict[str, np.ndarray], noise: np.ndarray) -> np.ndarray:
    """The audio of the model's own layers from controls, [frames, channels] each, and white noise."""
    import tensorflow as tf

    from components.synths.network import ControlNetwork
    from components.synths.noise import filtered

    network = ControlNetwork(instrument)
    tensors = {name: tf.constant(values[None], tf.float32) for name, values in controls.items()}
    magnitudes = tensors.pop("noise_magnitudes")
    network.tone.n_samples = len(noise)
    if instrument.card.synth == "sinusoidal":
        tensors.pop("f0_hz")
    with instrument.configured():
        tone = network.tone.get_signal(**tensors)
        return (tone + filtered(tf.constant(noise[None]), magnitudes, 0)).numpy()[0]


def _tables(tables: np.ndarray, partials: np.ndarray) -> np.ndarray:
    """One period for each frame: the page has the points, or the amplitudes of the partials of a mixture."""
    from components.synths.dictionary import to_points

    return tables if tables.size else partials @ to_points(partials.shape[1] + 2)


def _controls(frames: list[dict], synth: str) -> dict[str, np.ndarray]:
    def stacked(name: str) -> np.ndarray:
        return np.array([frame[name] for frame in frames])

    partials, amplitude = stacked("partials"), stacked("amplitude")[:, None]
    own = {
        "harmonic": lambda: {"amplitudes": amplitude, "harmonic_distribution": partials / amplitude},
        "sinusoidal": lambda: {"amplitudes": partials, "frequencies": stacked("frequenciesHz")},
        "wavetable": lambda: {"amplitudes": amplitude, "wavetables": _tables(stacked("table"), partials / amplitude)},
    }
    return {**own[synth](), "noise_magnitudes": stacked("magnitudes")}


@pytest.mark.parametrize("synth", SYNTHS)
def test_every_synth_is_equal_to_the_model(opened: Page, beginners: dict[str, str], synth: str) -> None:
    _assert_equal_to_the_model(opened, SYNTHS.index(synth), beginners[synth])


def test_every_preset_is_small_and_equal_to_the_model(
    browser: Browser, plugin_beginner: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for preset in _PRESETS:
        folder = tmp_path_factory.mktemp(preset)
        model = plugin_beginner if preset == "vst" else beginner(folder / "model", "harmonic", preset)
        export_page([model], str(folder / "page"))
        path = folder / "page" / PAGE_NAME
        assert path.stat().st_size < _LARGEST_BYTES[preset]
        page = _opened(browser.new_page(), path)
        _assert_equal_to_the_model(page, 0, model)
        page.close()


def test_older_wavetables_are_equal_to_the_model_and_a_room_is_in_the_page(browser: Browser, tmp_path: Path) -> None:
    room = ("luthier.Reverb.seconds = 0.1",)
    model = beginner(tmp_path / "model", "wavetable", "smoke", *_TABLE_OF_EVERY_FRAME, *room)
    export_page([model], str(tmp_path / "page"))
    page = _opened(browser.new_page(), tmp_path / "page" / PAGE_NAME)
    _assert_equal_to_the_model(page, 0, model)
    response = Instrument.load(model).impulse_response
    found = np.array(page.evaluate("luthier.inRoom(0, [1, 0, 0, 0], 16000)"))
    np.testing.assert_allclose(found[: len(response) + 1], [1, *response], atol=1e-4 * np.abs(response).max())
    page.close()


def _pitch_hz(page: Page, seconds: float = 0.5) -> tuple[float, float]:
    """Records what the page plays now; returns the pitch of its strongest partial and its peak level."""
    recorded = page.evaluate(
        "s => luthier.record(s).then(({audio, sampleRate}) => ({audio: [...audio], sampleRate}))", seconds
    )
    audio, rate = np.array(recorded["audio"]), recorded["sampleRate"]
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 1 << 19))
    return float(np.argmax(spectrum) * rate / (1 << 19)), float(np.abs(audio).max())


def _is_harmonic_of(found_hz: float, f0_hz: float, cents: float = 10.0) -> bool:
    number = max(1, round(found_hz / f0_hz))
    return abs(1200 * np.log2(found_hz / (number * f0_hz))) <= cents


def _wait_for_sound(page: Page) -> None:
    _until(page, "luthier.sounding")
    page.wait_for_timeout(300)


def test_computer_keys_play_their_pitch_and_legato_glides(opened: Page) -> None:
    octave = int(opened.inner_text("#octave"))
    a_hz = 440 * 2.0 ** (octave - 4)
    opened.keyboard.down("n")
    _wait_for_sound(opened)
    found, peak = _pitch_hz(opened)
    assert peak > 1e-3 and _is_harmonic_of(found, a_hz), found
    opened.keyboard.down("q")  # the C above, while N is held
    opened.wait_for_timeout(400)
    found, _ = _pitch_hz(opened)
    assert _is_harmonic_of(found, a_hz * 2 ** (3 / 12)), found
    opened.keyboard.up("q")
    opened.wait_for_timeout(400)
    assert _is_harmonic_of(_pitch_hz(opened)[0], a_hz)
    opened.keyboard.up("n")
    _until(opened, "!luthier.sounding")
    assert _pitch_hz(opened, 0.1)[1] < 1e-4
    numbers = opened.evaluate("luthier.numbers")
    assert 0 < numbers["attackMs"] < 1000 and 0 <= numbers["load"] < 1


def test_four_voices_sound_at_once(opened: Page) -> None:
    opened.select_option("#voices", "4")
    octave = int(opened.inner_text("#octave"))
    for key in "zcb":
        opened.keyboard.down(key)
    _wait_for_sound(opened)
    _until(opened, "luthier.soundingVoices === 3")
    for key in "zcb":
        opened.keyboard.up(key)
    _until(opened, "luthier.soundingVoices === 0")
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
    _wait_for_sound(opened)
    assert _is_harmonic_of(_pitch_hz(opened)[0], 440 * 2 ** ((note - 69) / 12))
    opened.mouse.up() if way == "mouse" else opened.keyboard.up("Enter")
    _until(opened, "!luthier.sounding")


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
    watched = Watched(browser.new_page())
    watched.page.add_init_script(_FAKE_MIDI)
    page = _opened(watched.page, page_path)
    page.click("text=MIDI")
    _until(page, "document.querySelector('#device').options.length === 2")
    assert "Fake keys" in page.inner_text("#device")
    page.evaluate("fakeMidi.send(0x90, 64, 100)")
    _wait_for_sound(page)
    e_hz = 440 * 2 ** (-5 / 12)
    assert _is_harmonic_of(_pitch_hz(page)[0], e_hz)
    page.evaluate("fakeMidi.send(0xe0, 127, 127)")  # two semitones up
    page.wait_for_timeout(300)
    assert _is_harmonic_of(_pitch_hz(page)[0], e_hz * 2 ** (2 / 12))
    page.evaluate("fakeMidi.send(0xb0, 64, 127); fakeMidi.send(0x80, 64, 0)")
    page.wait_for_timeout(800)
    assert page.evaluate("luthier.sounding")  # held by the pedal
    page.evaluate("fakeMidi.leave()")
    _until(page, "!luthier.sounding && document.querySelector('#device').options.length === 1")
    assert watched.complaints == []
    page.close()


def test_what_is_denied_is_said_in_words(browser: Browser, page_path: Path) -> None:
    page = browser.new_page()
    page.add_init_script("navigator.requestMIDIAccess = async () => { throw new DOMException('no') }")
    _opened(page, page_path).click("text=MIDI")
    _until(page, "document.querySelector('#message').textContent.includes('MIDI was not allowed')")
    page.close()


def _sample(name: str) -> np.ndarray:
    return soundfile.read(next((_REPOSITORY / "samples").glob(f"*/{name}.flac")), dtype="float32")[0]


@pytest.mark.parametrize(
    "name", ["string_acoustic_940-069-100", "keyboard_acoustic_900-047-050", "flute_acoustic_974-082-050"]
)
def test_the_page_tracks_pitch_within_20_cents_and_loudness_as_the_models_are_trained(opened: Page, name: str) -> None:
    audio = _sample(name)[:32_000]
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
    note = _sample("string_acoustic_940-069-100")[:32_000]
    soundfile.write(tmp_path / "mic.wav", np.concatenate([np.zeros(8_000), note / np.abs(note).max()]), 16_000)
    fake = ("--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={tmp_path / 'mic.wav'}")
    chromium = launch("--use-fake-ui-for-media-stream", *fake)
    watched = Watched(chromium.new_page())
    page = _opened(watched.page, page_path)
    page.get_by_text("Microphone", exact=True).click()
    _until(page, "document.querySelector('#heard').textContent.startsWith('Hearing A4')")
    assert page.evaluate("document.querySelector('#meter').value") > -40
    _until(page, "luthier.sounding")
    page.wait_for_timeout(200)
    found, peak = _pitch_hz(page)
    assert peak > 1e-3 and _is_harmonic_of(found, 440.0, cents=20), found
    _until(page, "document.querySelector('#heard').textContent === 'No signal.'")
    _until(page, "!luthier.sounding")
    page.get_by_text("Keys", exact=True).click()
    page.wait_for_timeout(100)
    assert watched.complaints == []
    chromium.close()


def test_a_denied_microphone_is_said_in_words(opened: Page) -> None:
    opened.get_by_text("Microphone", exact=True).click()  # Chromium denies it: nobody can be asked
    _until(opened, "document.querySelector('#message').textContent.includes('microphone')")
    words = opened.inner_text("#message")
    assert "The microphone was not allowed" in words or "There is no microphone" in words


def test_a_file_is_transferred_and_downloaded(opened: Page, tmp_path: Path) -> None:
    audio = _sample("flute_acoustic_974-082-050")[:32_000]
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
    assert _is_harmonic_of(found, 440 * 2.0 ** ((82 - 69) / 12 - 1), cents=20), found  # or an octave lower
    (tmp_path / "notes.wav").write_bytes(b"not audio")
    opened.set_input_files("#file", tmp_path / "notes.wav")
    _until(opened, "document.querySelector('#message').textContent.includes('\"notes.wav\" cannot be read as audio')")


def test_another_instrument_is_chosen_while_playing(opened: Page) -> None:
    opened.keyboard.down("n")
    _wait_for_sound(opened)
    opened.keyboard.up("n")
    opened.select_option("#model", index=1)
    _until(opened, f"document.title.includes('{SYNTHS[1]}')")
    opened.locator("#title").click()
    opened.keyboard.down("n")
    _wait_for_sound(opened)
    opened.keyboard.up("n")


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_narrow_screens_in_both_schemes(browser: Browser, page_path: Path, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 780}, color_scheme=scheme)
    _opened(page, page_path)
    for name in ("Keys", "MIDI", "Microphone", "File"):
        assert page.get_by_text(name, exact=True).is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", background)[0]) < 64) == (scheme == "dark")
    smallest = "Math.min(...[...document.querySelectorAll('#keyboard .white')].map(key => key.clientWidth))"
    assert page.evaluate(smallest) >= 30
    page.close()


def test_by_the_command_with_what_is_in_the_page(luthier: Callable, beginners: dict[str, str], tmp_path: Path) -> None:
    models = [each for synth in ("harmonic", "harmonic") for each in ("--model", beginners[synth])]
    finished = luthier("export", "--format", "web", *models, "--out", tmp_path / "out")
    assert finished.code == 0, finished.err
    described = json.loads((tmp_path / "out" / "instrument.json").read_text())
    assert [each["name"] for each in described["models"]] == ["flute, harmonic 1", "flute, harmonic 2"]
    assert "| flute, harmonic 2 |" in (tmp_path / "out" / "README.md").read_text()
    page = (tmp_path / "out" / PAGE_NAME).read_text()
    assert (
        page.count('class="model"') == 2
        and "http://" not in page
        and "https://" not in page.replace("https:// only", "")
    )


def test_several_models_are_for_a_page_alone(refused: Callable, beginners: dict[str, str], tmp_path: Path) -> None:
    models = ["--model", beginners["harmonic"], "--model", beginners["wavetable"]]
    assert "--format onnx takes one --model: got 2" in refused(
        "export", "--format", "onnx", *models, "--out", tmp_path / "out"
    )


def test_a_model_that_the_page_cannot_compute_is_refused(tmp_path: Path) -> None:
    model = beginner(tmp_path / "model", "harmonic", "smoke", "luthier.FilteredNoise.window_size = 33")
    with pytest.raises(InputError, match="the window_size 33 of its noise is not supported; expected 0"):
        export_page([model], str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_the_artefact_is_built_from_this_source() -> None:
    names = [f"{folder}/{path.name}" for folder in ("src", "kernel") for path in (_SOURCE / folder).iterdir()]
    digest = hashlib.sha256()
    for name in sorted([*names, "build.mjs", "package-lock.json"]):
        digest.update(f"{name}\n".encode() + (_SOURCE / name).read_bytes())
    artefact = (_REPOSITORY / "components/export/web" / ARTEFACT_NAME).read_text(encoding="utf-8")
    assert f'<meta name="source" content="{digest.hexdigest()}">' in artefact, "run make web"
