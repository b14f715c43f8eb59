"""The filtered noise's filter and the spectral loss, against float64 and ddsp's."""

from __future__ import annotations

import numpy as np
import pytest

from tests.synths.reference import close, spectral_loss, with_gradient


def _in_float64(white: np.ndarray, magnitudes: np.ndarray) -> np.ndarray:
    """[samples], [frames, bands] -> [samples]: a windowed impulse response for every frame of samples."""
    hop, bands = len(white) // len(magnitudes), magnitudes.shape[1]
    taps = 2 * (bands - 1)
    impulses = np.fft.fftshift(np.fft.irfft(magnitudes.astype(np.float64), taps), axes=1)
    impulses *= 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(taps) / taps)
    heard = np.zeros(len(white) + taps)
    for i, impulse in enumerate(impulses):
        heard[i * hop : i * hop + hop + taps - 1] += np.convolve(white[i * hop : (i + 1) * hop], impulse)
    delay = (taps - 1) // 2 - 1  # ddsp compensates one sample less than the filter's delay
    return heard[delay : delay + len(white)]


def test_a_whole_number_of_any_size_is_a_seed():
    from components.synths.noise import as_seed

    assert [as_seed(seed) for seed in (0, 7, -7, 2**31 - 1, -(2**31))] == [0, 7, -7, 2**31 - 1, -(2**31)]
    assert all(-(2**31) <= as_seed(seed) < 2**31 for seed in (2**31, 20_260_101_120_000, -(10**30)))


@pytest.mark.usefixtures("with_xla")
@pytest.mark.parametrize(("frames", "bands", "hop"), [(1, 65, 64), (7, 45, 64), (5, 65, 63)])
def test_filter_against_float64(frames, bands, hop):
    from components.synths.noise import filtered

    random = np.random.default_rng(frames)
    magnitudes = random.uniform(0, 1, (2, frames, bands)).astype(np.float32)
    white, upstream = random.uniform(-1, 1, (2, 2, frames * hop)).astype(np.float32)
    audio, slope = with_gradient(lambda m: filtered(white, m, 0), upstream, magnitudes)
    for i in range(2):
        close(audio[i], _in_float64(white[i], magnitudes[i]))
        # The filter is linear, so its gradient is what each magnitude alone makes heard.
        alone = np.eye(frames * bands).reshape(-1, frames, bands)
        expected = [upstream[i].astype(np.float64) @ _in_float64(white[i], one) for one in alone]
        close(slope[i], np.reshape(expected, (frames, bands)))


@pytest.mark.parametrize("window_size", [0, 33, 257])
def test_filter_against_ddsp_s(window_size):
    from components.synths.ddsp_imports import ddsp
    from components.synths.noise import filtered

    random = np.random.default_rng(1)
    magnitudes = random.uniform(0, 1, (2, 9, 65)).astype(np.float32)
    white, upstream = random.uniform(-1, 1, (2, 2, 576)).astype(np.float32)
    found = with_gradient(lambda m: filtered(white, m, window_size), upstream, magnitudes)
    expected = with_gradient(lambda m: ddsp.core.frequency_filter(white, m, window_size), upstream, magnitudes)
    for values, wanted in zip(found, expected, strict=True):
        close(values, wanted)


def _layers():
    from components.synths.ddsp_imports import ddsp
    from components.synths.losses import SpectralLoss

    return [kind(mag_weight=1.0, logmag_weight=1.0) for kind in (SpectralLoss, ddsp.losses.SpectralLoss)]


@pytest.mark.parametrize(("batch", "samples", "xla"), [(1, 3001, "1"), (2, 8192, "0"), (1, 300, "0")])
def test_loss_and_its_gradient_against_float64_and_ddsp_s(batch, samples, xla, monkeypatch):
    monkeypatch.setenv("LUTHIER_XLA", xla)
    random = np.random.default_rng(samples)
    wanted, audio = random.normal(0, 0.1, (2, batch, samples)).astype(np.float32)
    ours, theirs = (with_gradient(lambda a, layer=layer: layer(wanted, a), 2.0, audio) for layer in _layers())
    assert ours[0] == pytest.approx(np.mean([spectral_loss(*pair) for pair in zip(audio, wanted, strict=True)]), 1e-5)
    # Along one direction, and half of it for the upstream gradient of 2.
    way = random.normal(size=audio.shape)
    ahead, behind = (
        np.mean([spectral_loss(*pair) for pair in zip(audio + step * way, wanted, strict=True)])
        for step in (1e-7, -1e-7)
    )
    assert (ours[1] * way).sum() / 2 == pytest.approx((ahead - behind) / 2e-7, rel=2e-3)
    close(ours[0], theirs[0])
    close(ours[1], theirs[1], 1e-4)


def _level_nepers(audio: np.ndarray) -> np.ndarray:
    """The A-weighted level of frames of 512 samples, every 128, with a floor at -80 dB."""
    import librosa

    frames = np.lib.stride_tricks.sliding_window_view(np.pad(audio.astype(np.float64), (0, 512)), 512)
    frames = frames[: len(audio) : 128] * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512))
    weights = 10 ** (librosa.A_weighting(np.fft.rfftfreq(512, 1 / 16_000)[1:], min_db=None) / 10)
    return 0.5 * np.log((np.abs(np.fft.rfft(frames))[:, 1:] ** 2 * weights).sum(axis=1) / 257 + 1e-8)


@pytest.mark.parametrize("xla", ["0", "1"])
def test_the_level_term_and_its_gradient_against_float64(xla, monkeypatch):
    from components.synths.losses import SpectralLoss

    monkeypatch.setenv("LUTHIER_XLA", xla)
    random = np.random.default_rng(3)
    wanted, audio = random.normal(0, 0.1, (2, 1, 3000)).astype(np.float32)
    wanted[0, 2000:] = 0.0  # silence has a level too
    audio[0, 2000:] *= 1e-3
    layer = SpectralLoss(mag_weight=0.0, logmag_weight=0.0, level_weight=1.0)
    loss, slope = with_gradient(lambda heard: layer(wanted, heard), 1.0, audio)

    def expected(heard: np.ndarray) -> float:
        return float(np.abs(_level_nepers(heard[0]) - _level_nepers(wanted[0])).mean())

    assert loss == pytest.approx(expected(audio), rel=1e-4)
    way = slope / np.linalg.norm(slope)
    ahead, behind = (expected(audio.astype(np.float64) + step * way) for step in (1e-6, -1e-6))
    assert (slope * way).sum() == pytest.approx((ahead - behind) / 2e-6, rel=2e-2)
    assert layer(wanted, wanted).numpy() == 0.0
    half = SpectralLoss(mag_weight=0.0, logmag_weight=0.0, level_weight=1.0)(wanted[:, :2000], wanted[:, :2000] / 2)
    assert float(half) == pytest.approx(np.log(2), rel=1e-3)


@pytest.mark.parametrize("kind", ["noise", "half silent", "silent"])
def test_the_loss_of_the_evaluation_is_that_of_the_training(kind):
    from components.synths.losses import spectral_loss as evaluated

    wanted, audio = np.random.default_rng(1).normal(0, 0.1, (2, 1, 8000)).astype(np.float32)
    wanted[:, 4000 if kind == "half silent" else 0 if kind == "silent" else 8000 :] = 0
    for layer in _layers():
        assert evaluated(audio, wanted)[0] == pytest.approx(float(layer(wanted, audio)), rel=1e-5)


def test_loss_of_silence_is_finite_and_so_is_its_gradient():
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 4096)).astype(np.float32)
    ours, theirs = _layers()
    for wanted, audio in ((noise, 0 * noise), (0 * noise, noise), (0 * noise, 0 * noise)):
        loss, slope = with_gradient(lambda a, wanted=wanted: ours(wanted, a), 1.0, audio)
        close(loss, theirs(wanted, audio).numpy())
        assert np.isfinite(slope).all()


@pytest.mark.parametrize("more", [{"loss_type": "L2"}, {"delta_time_weight": 1.0}, {"loudness_weight": 1.0}])
def test_other_losses_are_ddsp_s(more):
    from components.synths.ddsp_imports import ddsp
    from components.synths.losses import SpectralLoss

    wanted, audio = np.random.default_rng(0).normal(0, 0.1, (2, 1, 16_000)).astype(np.float32)
    np.testing.assert_array_equal(SpectralLoss(**more)(wanted, audio), ddsp.losses.SpectralLoss(**more)(wanted, audio))


def test_the_noise_of_a_part_is_that_of_its_rows_in_the_whole_batch(monkeypatch):
    from components.synths import noise
    from components.synths.ddsp_imports import tf

    whole = noise.white(6, 640, tf.constant([3, 5]))
    monkeypatch.setattr(type(tf.distribute.get_strategy()), "num_replicas_in_sync", 3)
    parts = [noise.white(2, 640, tf.constant([3, 5, part])) for part in range(3)]
    np.testing.assert_array_equal(tf.concat(parts, axis=0), whole)
