"""Oscillators and wavetables against float64, and against ddsp's over sounds too short for its phases to drift."""

from __future__ import annotations

import numpy as np
import pytest

from tests.synths import reference
from tests.synths.reference import RATE_HZ, close, with_gradient


def _controls(batch: int, frames: int, channels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.random.Generator]:
    """Amplitudes, slow pitch in Hz, frequencies in Hz that touch Nyquist."""
    random = np.random.default_rng(channels)
    wander = np.cumsum(random.normal(0, 0.01, (batch, frames, channels + 1)), axis=1)
    f0_hz = 300 * 2 ** wander[:, :, :1]
    frequencies_hz = np.linspace(30, 8200, channels) * 2 ** wander[:, :, 1:]
    amplitudes = random.uniform(0, 0.1, (batch, frames, channels))
    return (*(v.astype(np.float32) for v in (amplitudes, f0_hz, frequencies_hz)), random)


def _harmonics(hop: int):
    from components.synths.oscillators import harmonics

    return lambda amplitudes, f0_hz: harmonics(amplitudes, f0_hz, hop, float(RATE_HZ))


def _sinusoids(hop: int):
    from components.synths.oscillators import sinusoids

    return lambda amplitudes, frequencies_hz: sinusoids(amplitudes, frequencies_hz, hop, float(RATE_HZ))


def _read_tables(hop: int):
    from components.synths.wavetables import read_tables

    return lambda amplitudes, tables, f0_hz: read_tables(amplitudes, tables, f0_hz, hop, float(RATE_HZ))


# Batch, frames, hop, and LUTHIER_XLA: compiled as for users where it says 1, and with a GPU's layout of the loops where
# it says 2. The fifth one is 4 s: phases are exact at any time.
SHAPES = [(1, 1, 64, "0"), (2, 5, 63, "0"), (2, 9, 2, "0"), (3, 7, 64, "1"), (1, 1000, 64, "1"), (2, 3, 8, "2")]


def _use_xla(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.synths import oscillators, xla

    monkeypatch.setenv("LUTHIER_XLA", level)
    for module in (oscillators, xla) if level == "2" else ():
        monkeypatch.setattr(module, "on_gpu", lambda: True)


@pytest.mark.parametrize(("batch", "frames", "hop", "xla"), SHAPES)
def test_harmonics(batch, frames, hop, xla, monkeypatch):
    _use_xla(xla, monkeypatch)
    amplitudes, f0_hz, _, random = _controls(batch, frames, 60)
    upstream = random.normal(size=(batch, frames * hop)).astype(np.float32)
    audio, by_amplitude, by_f0 = with_gradient(_harmonics(hop), upstream, amplitudes, f0_hz)
    # The harmonics of a float32 pitch, which is what there is to play.
    expected = reference.sinusoids(amplitudes, f0_hz.astype(np.float64) * np.arange(1, 61), upstream, hop)
    close(audio, expected[0])
    close(by_amplitude, expected[1])
    assert np.isnan(by_f0)  # an input: no gradient


@pytest.mark.parametrize(("batch", "frames", "hop", "xla"), SHAPES)
def test_sinusoids(batch, frames, hop, xla, monkeypatch):
    _use_xla(xla, monkeypatch)
    amplitudes, _, frequencies_hz, random = _controls(batch, frames, 50)
    upstream = random.normal(size=(batch, frames * hop)).astype(np.float32)
    found = with_gradient(_sinusoids(hop), upstream, amplitudes, frequencies_hz)
    for values, expected in zip(found, reference.sinusoids(amplitudes, frequencies_hz, upstream, hop), strict=True):
        close(values, expected)


@pytest.mark.parametrize(("batch", "frames", "hop", "xla"), SHAPES)
def test_tables(batch, frames, hop, xla, monkeypatch):
    monkeypatch.setenv("LUTHIER_XLA", xla)
    _, f0_hz, _, random = _controls(batch, frames, 1)
    amplitudes, tables = random.uniform(0, 1, (batch, frames, 1)), random.normal(size=(batch, frames, 128))
    amplitudes, tables = amplitudes.astype(np.float32), tables.astype(np.float32)
    upstream = random.normal(size=(batch, frames * hop)).astype(np.float32)
    audio, by_amplitude, by_table, by_f0 = with_gradient(_read_tables(hop), upstream, amplitudes, tables, f0_hz)
    expected = reference.wavetable(amplitudes, tables, f0_hz, upstream, hop)
    for values, wanted in zip((audio, by_amplitude, by_table), expected, strict=True):
        close(values, wanted, 2e-5)  # white tables: a point's place, up to 128, is known to 1e-5
    assert np.isnan(by_f0)


def test_like_ddsp_over_short_sounds():
    from components.synths.ddsp_imports import ddsp, tf

    frames, samples = 6, 384
    amplitudes, f0_hz, frequencies_hz, random = _controls(2, frames, 60)
    upstream, tables = random.normal(size=(2, samples)), random.normal(size=(2, frames, 128))

    def harmonic(amplitudes, f0_hz):
        one = tf.ones([2, frames, 1])
        return ddsp.core.harmonic_synthesis(f0_hz, one, harmonic_distribution=amplitudes, n_samples=samples)

    def bank(amplitudes, frequencies_hz):
        envelopes = ddsp.core.resample(amplitudes, samples, method="window")
        return ddsp.core.oscillator_bank(ddsp.core.resample(frequencies_hz, samples), envelopes)

    def wavetable(amplitudes, tables, f0_hz):
        return ddsp.core.wavetable_synthesis(f0_hz, amplitudes, tables, n_samples=samples)

    for ours, theirs, inputs in (
        (_harmonics(64), harmonic, (amplitudes, f0_hz)),
        (_sinusoids(64), bank, (amplitudes, frequencies_hz)),
        (_read_tables(64), wavetable, (amplitudes[:, :, :1], tables, f0_hz)),
    ):
        pairs = zip(with_gradient(ours, upstream, *inputs), with_gradient(theirs, upstream, *inputs), strict=True)
        for found, expected in pairs:
            if found.shape:  # there is a gradient
                close(found, expected, 2e-3)


@pytest.mark.parametrize("f0", [0.0, 7_999.0, 8_000.0, 12_000.0, 1e-3])
def test_extreme_pitches(f0):
    amplitudes, f0_hz, _, random = _controls(1, 6, 60)
    f0_hz, upstream = np.full_like(f0_hz, f0), random.normal(size=(1, 384)).astype(np.float32)
    harmonics_hz = f0_hz.astype(np.float64) * np.arange(1, 61)
    expected = reference.sinusoids(amplitudes, harmonics_hz, upstream, 64)
    audio, by_amplitude, _ = with_gradient(_harmonics(64), upstream, amplitudes, f0_hz)
    close(audio, expected[0], 2e-5)
    close(by_amplitude, expected[1], 2e-5)
    assert (audio == 0).all() == (f0 == 0 or f0 >= 8_000)
    found = with_gradient(_sinusoids(64), upstream, amplitudes, np.repeat(f0_hz, 60, axis=2))
    audio, *slopes, _ = with_gradient(_read_tables(64), upstream, amplitudes[:, :, :1], amplitudes, f0_hz)
    assert all(np.isfinite(values).all() for values in (*found, audio, *slopes))


@pytest.mark.usefixtures("with_xla")
def test_silence_and_equal_calls():
    amplitudes, f0_hz, frequencies_hz, random = _controls(2, 8, 60)
    upstream = random.normal(size=(2, 512)).astype(np.float32)
    for function, inputs in (
        (_harmonics(64), (amplitudes, f0_hz)),
        (_sinusoids(64), (amplitudes, frequencies_hz)),
        (_read_tables(64), (amplitudes[:, :, :1], amplitudes, f0_hz)),
    ):
        first, again = (with_gradient(function, upstream, *inputs) for _ in range(2))
        for values, others in zip(first, again, strict=True):
            np.testing.assert_array_equal(values, others)
        silence = with_gradient(function, upstream, np.zeros_like(inputs[0]), *inputs[1:])
        assert (silence[0] == 0).all()
        assert np.isfinite(silence[1]).all()
        # Outside of a graph and this short, it is computed without XLA.
        np.testing.assert_allclose(function(*inputs), first[0], atol=1e-5)
