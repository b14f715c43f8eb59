"""The layers on a GPU, at the sizes of the preset `standard`, against float64; skipped where there is none.

The other tests of this folder compute on a GPU as well where there is one: `make test-gpu` runs all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.synths import reference
from tests.synths.reference import RATE_HZ, close, with_gradient

FRAMES, HOP = 1000, 64


@pytest.fixture(scope="module")
def gpu() -> str:
    from components.synths.ddsp_imports import tf

    devices = tf.config.list_logical_devices("GPU")
    if not devices:
        pytest.skip("TensorFlow sees no GPU: the layers were compared with float64 on the processor only")
    return str(devices[0].name)


def _computed(device: str, function: Any, upstream: np.ndarray, *inputs: np.ndarray) -> list[np.ndarray]:
    from components.synths.ddsp_imports import tf

    with tf.device(device):
        return with_gradient(function, upstream, *inputs)


@pytest.mark.usefixtures("with_xla")
def test_gru(gpu):
    from components.synths.gru import gru

    batch, channels, units = 4, 1024, 512
    random = np.random.default_rng(0)
    shapes = ((FRAMES, batch, channels), (channels, 3 * units), (units, 3 * units), (2, 3 * units))
    values = [random.normal(0, 0.04, shape).astype(np.float32) for shape in shapes]
    upstream = random.normal(size=(FRAMES, batch, units)).astype(np.float32)
    found = _computed(gpu, gru, upstream, *values)
    for got, expected in zip(found, reference.gru(*values, upstream), strict=True):
        close(got, expected, 2e-5)


@pytest.mark.usefixtures("with_xla")
def test_layer_norm_leaky_relu(gpu):
    from components.synths.ddsp_imports import tf
    from components.synths.decoder import layer_norm_leaky_relu

    random = np.random.default_rng(1)
    product, upstream = random.normal(2, 3, (2, 16_000, 512)).astype(np.float32)
    vectors = random.normal(size=(3, 512)).astype(np.float32)
    found = _computed(gpu, lambda *v: layer_norm_leaky_relu(*v, epsilon=1e-3), upstream, product, *vectors)

    with tf.device("CPU:0"), tf.GradientTape() as tape:
        rows, bias, gamma, beta = (tf.constant(values, tf.float64) for values in (product, *vectors))
        tape.watch([rows, bias, gamma, beta])
        mean, variance = tf.nn.moments(rows + bias, axes=[1], keepdims=True)
        affine = (rows + bias - mean) / tf.sqrt(variance + 1e-3) * gamma + beta
        output = tf.where(affine > 0, affine, 0.2 * affine)
    slopes = tape.gradient(output, [rows, bias, gamma, beta], upstream.astype(np.float64))
    close(found[0], output.numpy())
    close(found[1], slopes[0].numpy())
    # The gradient of the bias is a sum of 16,000 rows whose parts nearly cancel; one row's slopes are its scale.
    np.testing.assert_allclose(found[2], slopes[1], rtol=0, atol=1e-5 * FRAMES * np.abs(slopes[0]).max())
    close(found[3], slopes[2].numpy())
    close(found[4], slopes[3].numpy())


@pytest.mark.usefixtures("with_xla")
@pytest.mark.parametrize("synth", ["harmonic", "sinusoidal", "wavetable"])
def test_oscillators(gpu, synth):
    from components.synths.oscillators import harmonics, sinusoids

    random = np.random.default_rng(2)
    f0_hz = (300 * 2 ** np.cumsum(random.normal(0, 0.01, (1, FRAMES, 1)), axis=1)).astype(np.float32)
    count = 20
    amplitudes = random.uniform(0, 0.1, (1, FRAMES, count)).astype(np.float32)
    upstream = random.normal(size=(1, FRAMES * HOP)).astype(np.float32)
    multiples = f0_hz.astype(np.float64) * np.arange(1, count + 1)
    if synth == "sinusoidal":
        inputs = [amplitudes, multiples.astype(np.float32)]
        found = _computed(gpu, lambda a, f: sinusoids(a, f, HOP, float(RATE_HZ)), upstream, *inputs)
        expected = reference.sinusoids(*inputs, upstream, HOP)
    else:
        # With cosines as the wavetable synthesizer has them, but silent: what is left are the sines.
        cosines = synth == "wavetable"
        played = np.concatenate([amplitudes, np.zeros_like(amplitudes)], axis=2) if cosines else amplitudes
        found = _computed(gpu, lambda a: harmonics(a, f0_hz, HOP, float(RATE_HZ), cosines=cosines), upstream, played)
        found[1] = found[1][:, :, :count]
        expected = reference.sinusoids(amplitudes, multiples, upstream, HOP)[:2]
    for got, wanted in zip(found, expected, strict=True):
        close(got, wanted, 2e-5)


def test_filtered_noise(gpu):
    """ddsp's transforms, which the layer takes on a GPU, against the processor's products."""
    from components.synths.ddsp_imports import ddsp
    from components.synths.noise import filtered

    random = np.random.default_rng(3)
    magnitudes = random.uniform(0, 1, (2, FRAMES, 65)).astype(np.float32)
    white, upstream = random.uniform(-1, 1, (2, 2, FRAMES * HOP)).astype(np.float32)
    found = _computed(gpu, lambda m: ddsp.core.frequency_filter(white, m, window_size=0), upstream, magnitudes)
    expected = _computed("CPU:0", lambda m: filtered(white, m, 0), upstream, magnitudes)
    for got, wanted in zip(found, expected, strict=True):
        close(got, wanted)


@pytest.mark.usefixtures("with_xla")
def test_spectral_loss(gpu):
    from components.synths.losses import SpectralLoss

    random = np.random.default_rng(4)
    wanted, audio = random.normal(0, 0.1, (2, 2, FRAMES * HOP)).astype(np.float32)
    layer = SpectralLoss(mag_weight=1.0, logmag_weight=1.0)
    loss, slope = _computed(gpu, lambda a: layer(wanted, a), np.float32(1.0), audio)
    assert loss == pytest.approx(_loss(audio, wanted), rel=1e-5)
    way = slope / np.linalg.norm(slope)
    ahead, behind = (_loss(audio + step * way.astype(np.float64), wanted) for step in (1e-6, -1e-6))
    assert (slope * way).sum() == pytest.approx((ahead - behind) / 2e-6, rel=2e-3)


def _loss(audio: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.mean([reference.spectral_loss(*pair) for pair in zip(audio, wanted, strict=True)]))
