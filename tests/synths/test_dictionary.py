"""The dictionary of wavetables: its mixtures, its audio against float64, aliasing, and ddsp's tables beside it."""

from __future__ import annotations

import numpy as np
import pytest

from components.config.catalog import SYNTHS
from components.synths.model import build, config_text, configured
from tests.synths.reference import RATE_HZ, close, gathered, hann, line, spread, with_gradient

_TABLES, _PARTIALS = 16, 63
_DDSPS = (
    "Wavetable.tables = 0",
    "Wavetable.band_limited = False",
    "RnnFcDecoder.output_splits = (('amps', 1), ('wavetables', 128), ('noise_magnitudes', 65))",
)


def _layer(*bindings: str):
    with configured(config_text("wavetable", "smoke", bindings)):
        return build().processor_group.wavetable


@pytest.fixture(scope="module")
def layer():
    return _layer()


def _outputs(frames: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return (
        random.normal(size=(1, frames, 1)).astype(np.float32),
        random.normal(size=(1, frames, _TABLES)).astype(np.float32),
    )


@pytest.mark.parametrize(("frames", "hop", "xla"), [(5, 63, "0"), (9, 64, "1")])
def test_sines_and_cosines_against_float64(frames, hop, xla, monkeypatch):
    from components.synths.oscillators import harmonics

    monkeypatch.setenv("LUTHIER_XLA", xla)
    random = np.random.default_rng(frames)
    f0_hz = (300 * 2 ** np.cumsum(random.normal(0, 0.02, (2, frames, 1)), axis=1)).astype(np.float32)
    amplitudes = random.normal(size=(2, frames, 2 * 40)).astype(np.float32)
    upstream = random.normal(size=(2, frames * hop)).astype(np.float32)
    found = with_gradient(lambda x: harmonics(x, f0_hz, hop, float(RATE_HZ), cosines=True), upstream, amplitudes)
    hz = spread(f0_hz, line(hop)) * np.arange(1, 41)
    phases = 2 * np.pi * np.cumsum(hz / RATE_HZ, axis=1)
    waves = np.concatenate([np.sin(phases), np.cos(phases)], axis=2) * np.tile(hz < RATE_HZ / 2, 2)
    close(found[0], (waves * spread(amplitudes, hann(hop))).sum(axis=2))
    close(found[1], gathered(upstream[:, :, None] * waves, hann(hop)))


def test_a_mixture_has_rms_1_and_no_partial_above_nyquist_whatever_the_weights(layer):
    f0_hz = np.geomspace(30, 7_900, 50, dtype=np.float32)[None, :, None]
    amplitudes, outputs = _outputs(50)
    controls = layer.get_controls(amplitudes, outputs, f0_hz)
    tables = controls["wavetables"].numpy()[0]
    assert tables.shape == (50, 128)
    np.testing.assert_allclose(np.sqrt((tables**2).mean(axis=1)), 1.0, rtol=1e-3)
    spectra = np.abs(np.fft.rfft(tables)) / 64
    above = np.arange(65) * f0_hz[0] >= RATE_HZ / 2
    assert above.sum() > 1_000
    assert spectra[above].max() < 1e-5
    silent = layer.get_controls(amplitudes, outputs, np.full_like(f0_hz, 9_000.0))["wavetables"].numpy()
    assert not silent.any()


def test_the_tables_differ_and_every_mixture_of_them_has_a_gradient(layer):
    from components.synths.ddsp_imports import tf

    spectra = np.exp(10 * layer.levels.numpy())
    assert spectra.shape == (_TABLES, _PARTIALS)
    differences_db = 20 * np.abs(np.log10(spectra[:, None] / spectra)).max(axis=2)
    assert (differences_db + 100 * np.eye(_TABLES)).min() > 6
    loudest = spectra.argmax(axis=1)
    assert {0, _PARTIALS - 1} <= set(loudest)
    amplitudes, outputs = _outputs(20)
    layer.n_samples = 20 * 64
    with tf.GradientTape() as tape:
        audio = layer(amplitudes, outputs, np.full((1, 20, 1), 200.0, np.float32))
        power = tf.reduce_sum(audio[:, ::3] ** 3)
    assert [variable.name.split("/")[-1] for variable in layer.trainable_variables] == ["levels:0", "phases:0"]
    for gradient in tape.gradient(power, layer.trainable_variables):
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 0


def _inharmonic_db(audio: np.ndarray, f0_hz: float) -> float:
    """The power beside the harmonics, relative to the whole, in dB."""
    window = np.kaiser(len(audio), 16)
    power = np.abs(np.fft.rfft(audio * window)) ** 2
    hz = np.fft.rfftfreq(len(audio), 1 / RATE_HZ)
    beside = np.abs(hz - f0_hz * np.round(hz / f0_hz)) > 8 * RATE_HZ / len(audio)
    return float(10 * np.log10(power[beside].sum() / power.sum()))


def test_no_pitch_aliases(layer):
    frames = 250
    layer.n_samples = frames * 64
    amplitudes, outputs = np.zeros((1, frames, 1), np.float32), np.zeros((1, frames, _TABLES), np.float32)
    outputs[:, :, 0] = 3.0  # the brightest roll-off
    for midi in range(24, 97, 8):
        f0_hz = 440 * 2 ** ((midi - 69) / 12)
        audio = layer(amplitudes, outputs, np.full((1, frames, 1), f0_hz, np.float32)).numpy()[0]
        assert np.abs(audio).max() > 0.1
        assert _inharmonic_db(audio, f0_hz) < -80, midi


def test_ddsp_s_tables_remain_with_and_without_aliasing():
    from components.synths.wavetables import read_tables

    stock, limited = _layer(*_DDSPS), _layer(*_DDSPS[::2])
    assert not stock.trainable_variables
    frames, f0_hz = 250, np.full((1, 250, 1), 1046.5, np.float32)
    stock.n_samples = limited.n_samples = frames * 64
    amplitudes = _outputs(frames)[0]
    tables = np.tile(np.random.default_rng(1).normal(size=128), (1, frames, 1)).astype(np.float32)
    controls = stock.get_controls(amplitudes, tables, f0_hz)
    read = read_tables(controls["amplitudes"], controls["wavetables"], f0_hz, 64, float(RATE_HZ))
    np.testing.assert_array_equal(stock.get_signal(**controls), read)
    steady = {**controls, "amplitudes": np.full((1, frames, 1), 0.1, np.float32)}
    assert _inharmonic_db(stock.get_signal(**steady).numpy()[0], 1046.5) > -30
    assert _inharmonic_db(limited.get_signal(**steady).numpy()[0], 1046.5) < -80


def test_a_configuration_from_before_the_dictionary_builds_the_layer_that_it_was():
    """The card of a model names no parameter that did not exist yet: the defaults are what the layer did then."""
    new = ("luthier.Wavetable.tables", "luthier.Wavetable.points", "luthier.Wavetable.band_limited")
    old = "\n".join(
        line for line in config_text("wavetable", "smoke").splitlines() if not line.startswith((*new, "#"))
    ).replace("%WAVETABLES", "128")
    with configured(old):
        model = build()
    layer = model.processor_group.wavetable
    assert (layer.tables, layer.band_limited) == (0, False)
    assert "wavetable" in SYNTHS
    assert not [weight for weight in model.weights if "levels" in weight.name or "phases" in weight.name]
