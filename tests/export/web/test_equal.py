"""The page computes what the model computes: controls and audio of every synth and preset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from components.config.catalog import SYNTHS
from components.core.errors import InputError
from components.export.web.step import PAGE_NAME, export_page
from components.synths.instrument import Instrument
from tests.browser import new_page
from tests.export.conftest import beginner
from tests.export.web.pages import open_page

_PRESETS = ("vst", "standard")  # seed is smaller than vst
_TABLE_OF_EVERY_FRAME = (
    "luthier.Wavetable.tables = 0",
    "luthier.Wavetable.band_limited = False",
    "luthier.RnnFcDecoder.output_splits = (('amps', 1), ('wavetables', 128), ('noise_magnitudes', 65))",
)
_CRITICAL_BANDS = ("luthier.Sinusoidal.reach = 0.0", "luthier.Sinusoidal.fade = 2.0")
_LARGEST_BYTES = {"vst": 4_000_000, "standard": 15_000_000}
_FRAMES = 60


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
        page = open_page(new_page(browser), path)
        _assert_equal_to_the_model(page, 0, model)
        page.close()


def test_older_synths_are_equal_to_the_model_and_a_room_is_in_the_page(browser: Browser, tmp_path: Path) -> None:
    room = ("luthier.Reverb.seconds = 0.1",)
    model = beginner(tmp_path / "model", "wavetable", "smoke", *_TABLE_OF_EVERY_FRAME, *room)
    bands = beginner(tmp_path / "bands", "sinusoidal", "smoke", *_CRITICAL_BANDS)
    export_page([model, bands], str(tmp_path / "page"))
    page = open_page(new_page(browser), tmp_path / "page" / PAGE_NAME)
    _assert_equal_to_the_model(page, 0, model)
    _assert_equal_to_the_model(page, 1, bands)
    response = Instrument.load(model).impulse_response
    found = np.array(page.evaluate("luthier.inRoom(0, [1, 0, 0, 0], 16000)"))
    np.testing.assert_allclose(found[: len(response) + 1], [1, *response], atol=1e-4 * np.abs(response).max())
    page.close()


def test_a_model_that_the_page_cannot_compute_is_refused(tmp_path: Path) -> None:
    model = beginner(tmp_path / "model", "harmonic", "smoke", "luthier.FilteredNoise.window_size = 33")
    with pytest.raises(InputError, match="the window_size 33 of its noise is not supported; expected 0"):
        export_page([model], str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
