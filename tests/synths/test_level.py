"""The gain that gives the sound of a frame the loudness that it was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from components.audio.loudness import LOUDNESS_DEFINITION, POWER_DEFINITION, loudness_db
from components.synths import level
from components.synths.ddsp_imports import tf
from components.synths.dictionary import to_points
from components.synths.layers import FilteredNoise, Harmonic, Sinusoidal, Wavetable

_FRAMES = 400
_STEADY = slice(50, -50)
_Controls = dict[str, np.ndarray]


def _steady(values: np.ndarray) -> np.ndarray:
    return np.tile(np.asarray(values, np.float32), (1, _FRAMES, 1))


def _harmonic(f0_hz: float, random: np.random.Generator) -> _Controls:
    shares = random.uniform(size=60) * (np.arange(1, 61) * f0_hz < 8000)
    return {"amplitudes": _steady([0.1]), "harmonic_distribution": _steady(shares / shares.sum())}


def _sinusoidal(f0_hz: float, random: np.random.Generator) -> _Controls:
    amplitudes = random.uniform(size=100) / 100 * (np.arange(1, 101) * f0_hz < 8000)
    return {"amplitudes": _steady(amplitudes), "frequencies": _steady(np.arange(1, 101) * f0_hz)}


def _wavetable(f0_hz: float, random: np.random.Generator) -> _Controls:
    return {"amplitudes": _steady([0.05]), "wavetables": _steady(random.normal(size=126) @ to_points(128))}


_SYNTHS = {
    "harmonic": (_harmonic, lambda size: Harmonic(n_samples=size)),
    "sinusoidal": (_sinusoidal, lambda size: Sinusoidal(n_samples=size)),
    "wavetable": (_wavetable, lambda size: Wavetable(n_samples=size, points=128, band_limited=True)),
}


def _sound(synth: str, controls: _Controls, f0_hz: np.ndarray) -> np.ndarray:
    """The sound of controls, f32[1, samples]."""
    size = 64 * _FRAMES
    tensors = {name: tf.constant(values) for name, values in controls.items()}
    magnitudes = tensors.pop("noise_magnitudes")
    if synth != "sinusoidal":
        tensors["f0_hz"] = tf.constant(f0_hz)
    tone = _SYNTHS[synth][1](size).get_signal(**tensors)
    return (tone + FilteredNoise(n_samples=size, window_size=0).get_signal(magnitudes, tf.constant([0, 0]))).numpy()


@pytest.mark.parametrize("definition", [LOUDNESS_DEFINITION, POWER_DEFINITION])
@pytest.mark.parametrize("synth", list(_SYNTHS))
@pytest.mark.parametrize("f0_hz", [65.4, 440.0, 2093.0])
def test_the_power_of_controls_is_the_loudness_of_their_sound(synth: str, f0_hz: float, definition: str) -> None:
    random = np.random.default_rng(0)
    controls = _SYNTHS[synth][0](f0_hz, random) | {"noise_magnitudes": _steady(10 ** random.uniform(-5, -2, 65))}
    curve = _steady([f0_hz])
    expected_db = 10 * np.log10(level.power(controls, curve, definition).numpy()[0, 0, 0])
    found_db = loudness_db(_sound(synth, controls, curve), definition)[0, _STEADY]
    assert 10 * np.log10(np.mean(10 ** (found_db / 10))) == pytest.approx(expected_db, abs=0.1)


def test_the_power_of_noise_alone_counts_the_window_of_its_filters() -> None:
    spiky = 10 ** np.random.default_rng(1).uniform(-4, -1, 65)
    controls = _harmonic(440.0, np.random.default_rng(0)) | {"noise_magnitudes": _steady(spiky)}
    controls["amplitudes"] *= 0
    curve = _steady([440.0])
    expected_db = 10 * np.log10(level.power(controls, curve, LOUDNESS_DEFINITION).numpy()[0, 0, 0])
    found_db = loudness_db(_sound("harmonic", controls, curve))[0, _STEADY]
    assert 10 * np.log10(np.mean(10 ** (found_db / 10))) == pytest.approx(expected_db, abs=0.3)


@pytest.mark.parametrize("synth", list(_SYNTHS))
def test_a_corrected_sound_follows_the_loudness_that_it_was_asked_for(synth: str) -> None:
    random, curve = np.random.default_rng(2), _steady([311.0])
    controls = _SYNTHS[synth][0](311.0, random) | {"noise_magnitudes": _steady(10 ** random.uniform(-5, -3, 65))}
    played_db = loudness_db(_sound(synth, controls, curve))
    asked_db = played_db + 4 * np.sin(np.linspace(0, 8, _FRAMES))
    asked = asked_db[..., None].astype(np.float32)
    corrected = level.corrected(controls, curve, asked, LOUDNESS_DEFINITION)
    found_db = loudness_db(_sound(synth, {name: np.asarray(values) for name, values in corrected.items()}, curve))
    assert np.abs(played_db - asked_db)[0, _STEADY].max() > 3.5
    assert np.abs(found_db - asked_db)[0, _STEADY].max() < 0.2


@pytest.mark.parametrize(("asked_db", "gain_db"), [(-80.0, -6.0), (-120.0, -6.0), (0.0, 6.0)])
def test_the_gain_is_limited(asked_db: float, gain_db: float) -> None:
    controls = _harmonic(440.0, np.random.default_rng(0)) | {"noise_magnitudes": _steady(np.full(65, 1e-4))}
    controls["amplitudes"] *= 0.1
    found = level.corrected(controls, _steady([440.0]), _steady([asked_db]), LOUDNESS_DEFINITION)
    for name in ("amplitudes", "noise_magnitudes"):
        np.testing.assert_allclose(found[name], controls[name] * 10 ** (gain_db / 20), rtol=1e-5)
    np.testing.assert_array_equal(found["harmonic_distribution"], controls["harmonic_distribution"])
