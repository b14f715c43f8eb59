"""Every synthesizer that gin builds, against numpy in float64 over short sounds (ddsp's float32 phase drifts later)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from components.config.catalog import PRESETS, SYNTHS
from components.core.errors import InputError
from components.synths.model import build, config_text, configured, inputs, set_frames

FRAMES, HOP, RATE_HZ = 20, 64, 16_000
SAMPLES = FRAMES * HOP


def _built(synth: str, preset: str = "smoke", bindings: Sequence[str] = ()):
    with configured(config_text(synth, preset, bindings)):
        model = build()
        set_frames(model, FRAMES)
        return model


def _sinusoidal(bindings: Sequence[str] = (), config: str = ""):
    """The layer alone, which takes less time to build than a model."""
    from components.synths.ddsp_imports import gin

    with configured(config or config_text("sinusoidal", "smoke", bindings)):
        return gin.get_configurable("luthier.Sinusoidal")()


def _linear(values: np.ndarray) -> np.ndarray:
    """[frames, channels] -> [samples, channels]: straight lines between frames, the last one held."""
    held = np.concatenate([values, values[-1:]]).astype(np.float64)
    return np.stack([np.interp(np.arange(SAMPLES) / HOP, np.arange(FRAMES + 1), c) for c in held.T], axis=1)


def _hann(values: np.ndarray) -> np.ndarray:
    """[frames, channels] -> [samples, channels]: overlapping Hann windows of two hops, the last frame held."""
    held = np.concatenate([values, values[-1:]]).astype(np.float64)
    rise = (0.5 - 0.5 * np.cos(np.pi * np.arange(HOP) / HOP))[None, :, None]
    return (held[:-1, None] * (1 - rise) + held[1:, None] * rise).reshape(SAMPLES, -1)


def _sines(frequencies_hz: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
    audible = np.where(frequencies_hz < RATE_HZ / 2, amplitudes, 0.0)
    return (audible * np.sin(2 * np.pi * np.cumsum(frequencies_hz / RATE_HZ, axis=0))).sum(axis=1)


def _exp_sigmoid(x: np.ndarray) -> np.ndarray:
    return 2.0 * (1 / (1 + np.exp(-x.astype(np.float64)))) ** np.log(10.0) + 1e-7


def _random(seed: int, channels: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(FRAMES, channels)).astype(np.float32)


def _f0_hz() -> np.ndarray:
    return np.linspace(300.0, 900.0, FRAMES, dtype=np.float32)[:, None]


def test_harmonic():
    amplitudes, distribution, f0_hz = _random(1, 1), _random(2, 60), _f0_hz()
    harmonic = _built("harmonic").processor_group.harmonic
    played = harmonic(amplitudes[None], distribution[None], f0_hz[None]).numpy()[0]
    k = np.arange(1, 61)
    shares = np.where(f0_hz * k < RATE_HZ / 2, _exp_sigmoid(distribution), 0.0)
    shares /= shares.sum(axis=1, keepdims=True)
    expected = _sines(_linear(f0_hz) * k, _hann(_exp_sigmoid(amplitudes) * shares))
    np.testing.assert_allclose(played, expected, atol=2e-3)
    assert np.abs(expected).max() > 0.1


def test_sinusoidal():
    amplitudes, places = _random(1, 100), _random(2, 100)
    sinusoidal = _built("sinusoidal").processor_group.sinusoidal
    outputs = sinusoidal(amplitudes[None], places[None], return_outputs_dict=True)
    frequencies_hz = outputs["controls"]["frequencies"].numpy()[0].astype(np.float64)
    assert frequencies_hz.min() >= 20
    assert frequencies_hz.max() <= 8000
    envelopes = np.where(frequencies_hz < RATE_HZ / 2, _exp_sigmoid(amplitudes - 3.0), 0.0)
    expected = _sines(_linear(frequencies_hz), _hann(envelopes))
    np.testing.assert_allclose(outputs["signal"].numpy()[0], expected, atol=2e-3)
    assert np.abs(expected).max() > 0.01


def test_each_sinusoid_stays_near_its_own_place_and_together_they_reach_every_pitch():
    sinusoidal = _built("sinusoidal").processor_group.sinusoidal
    low, middle, high = (
        sinusoidal.get_controls(np.zeros((1, 1, 100), np.float32), np.full((1, 1, 100), x, np.float32))["frequencies"]
        .numpy()
        .ravel()
        for x in (-9.0, 0.0, 9.0)
    )
    erb_hz = 0.108 * middle + 24.7
    np.testing.assert_array_less(np.abs(high - low), 2.1 * erb_hz)
    assert (low[1:] < high[:-1]).all()


def _places(sinusoidal, f0_hz, outputs=0.0):
    """The controls, [frames, 100] each, for the same output everywhere; f0_hz [frames]."""
    frames = np.shape(f0_hz)[0]
    zeros, pitch = np.zeros((1, frames, 100), np.float32), np.asarray(f0_hz, np.float32)[None, :, None]
    controls = sinusoidal.get_controls(zeros, zeros + np.float32(outputs), pitch)
    return controls["frequencies"].numpy()[0], controls["amplitudes"].numpy()[0]


_IN_BANDS = ("Sinusoidal.reach = 0.0", "Sinusoidal.fade = 2.0")  # training version 3 and before


@pytest.mark.parametrize("bindings", [(), _IN_BANDS])
def test_told_a_pitch_the_sinusoids_begin_as_its_partials(bindings):
    sinusoidal = _sinusoidal(bindings)
    for f0_hz in (65.0, 196.0, 441.0, 987.0):
        for outputs in (0.0, *np.random.default_rng(0).normal(0, 0.5, (3, 100))):
            frequencies_hz, amplitudes = (values[0] for values in _places(sinusoidal, [f0_hz], outputs))
            number = np.maximum(np.round(frequencies_hz / f0_hz), 1)
            cents = 1200 * np.abs(np.log2(frequencies_hz / (f0_hz * number)))
            loud = amplitudes > amplitudes.max() / 10
            assert np.average(cents[loud], weights=amplitudes[loud]) < 15
            assert set(range(1, 8)) <= set(number[loud])
            below = frequencies_hz < f0_hz / 2
            assert (amplitudes[below] < amplitudes.max() / 80).all()


def _partials_db(bindings: Sequence[str]) -> np.ndarray:
    """Levels of the first five partials from 200 to 400 Hz, [pitches, 5], for the same random outputs everywhere."""
    sinusoidal = _sinusoidal(bindings)
    f0_hz = np.geomspace(200.0, 400.0, 97)
    amplitudes, places = (np.repeat(_random(seed, 100)[None, :1], len(f0_hz), axis=1) for seed in (1, 2))
    controls = sinusoidal.get_controls(3 * amplitudes, 0.5 * places, f0_hz[None, :, None].astype(np.float32))
    frequencies_hz, amplitudes = (controls[name].numpy()[0] for name in ("frequencies", "amplitudes"))
    numbers = np.round(frequencies_hz / f0_hz[:, None])
    powers = np.stack([np.sum(amplitudes**2 * (numbers == k), axis=1) for k in range(1, 6)], axis=1)
    return 10 * np.log10(powers + 1e-12)


def test_a_partial_keeps_its_level_at_pitches_between_those_of_the_training():
    """What the network learned for one pitch holds for its neighbours: no partial vanishes between them."""
    assert np.ptp(_partials_db(()), axis=0).max() < 0.1
    assert np.ptp(_partials_db(_IN_BANDS), axis=0).max() > 10  # another sinusoid plays the partial, semitones away


@pytest.mark.parametrize(("reach", "furthest"), [(0.4, 0.4 * 0.8**16), (0.5, 0.5)])
def test_a_sinusoid_can_leave_its_partial_but_not_reach_the_next(reach, furthest):
    sinusoidal = _sinusoidal([f"Sinusoidal.reach = {reach}"])
    for outputs, offset in ((-9.0, -furthest), (0.0, 0.0), (9.0, furthest)):
        frequencies_hz, _ = _places(sinusoidal, [65.0, 440.0], outputs)
        expected = np.array([[65.0], [440.0]]) * (np.arange(1, 101) + offset)
        np.testing.assert_allclose(frequencies_hz, expected, rtol=1e-3)


def test_a_model_from_before_sinusoids_were_partials_has_bands():
    lines = config_text("sinusoidal", "smoke", _IN_BANDS[1:]).splitlines()
    config = "\n".join(line for line in lines if not line.startswith("luthier.Sinusoidal.reach"))
    before, expected = _sinusoidal(config=config), _places(_sinusoidal(_IN_BANDS), [65.0, 440.0], 0.3)
    for found, values in zip(_places(before, [65.0, 440.0], 0.3), expected, strict=True):
        np.testing.assert_array_equal(found, values)


def test_every_frequency_is_within_reach_whatever_the_pitch():
    from components.synths.partials import pull_to_multiples

    everywhere = np.arange(20, 7990, 0.25, dtype=np.float32)
    for f0_hz, (pull, power) in itertools.product((58.0, 440.0, 2000.0, 12_000.0), ((0.95, 4), (1.0, 16))):
        moved = pull_to_multiples(everywhere, np.float32(f0_hz), pull, power)[0].numpy()
        assert (np.diff(moved) >= -1e-3).all()
        assert np.diff(moved).max() < 0.27 * (power + 1)  # no gap: nowhere steeper than half-way
        middle = f0_hz * (np.floor(everywhere / f0_hz) + 0.5)
        np.testing.assert_allclose(pull_to_multiples(middle, np.float32(f0_hz), pull, power)[0], middle, rtol=1e-4)
        assert (np.abs(moved - everywhere) < 0.45 * f0_hz).all()


@pytest.mark.parametrize("f0_hz", [65.4, 261.6, 1046.5])
def test_the_sinusoids_of_a_partial_do_not_beat(f0_hz):
    """Steady input gives a steady level, although several sinusoids are near each multiple of a high pitch."""
    sinusoidal, frames = _built("sinusoidal").processor_group.sinusoidal, 500
    random = np.random.default_rng(0)
    amplitudes, places = (np.tile(random.normal(0, 0.5, (1, 1, 100)), (1, frames, 1)).astype(np.float32) for _ in "ab")
    sinusoidal.n_samples = frames * HOP
    audio = sinusoidal(amplitudes, places, np.full((1, frames, 1), f0_hz, np.float32)).numpy()[0]
    level_db = 10 * np.log10(np.square(audio).reshape(-1, 800).mean(axis=1))
    assert np.ptp(level_db[5:]) < 1.5


def test_a_gliding_pitch_makes_no_sinusoid_jump():
    sinusoidal = _built("sinusoidal").processor_group.sinusoidal
    f0_hz = np.geomspace(100, 800, 3000)
    frequencies_hz, amplitudes = _places(sinusoidal, f0_hz)
    # A thousandth of an octave a frame, several times as much half-way between two multiples; a level without steps.
    audible = (frequencies_hz[:-1] < 7_900) & (frequencies_hz[1:] < 7_900)
    amplitudes = np.maximum(amplitudes, 1e-6)
    assert np.abs(np.diff(np.log2(frequencies_hz), axis=0))[audible].max() < 0.02
    assert np.abs(np.diff(np.log10(amplitudes), axis=0))[audible].max() < 0.5


def test_without_pull_and_fade_the_sinusoids_are_ddsp_s():
    from components.synths.ddsp_imports import ddsp

    bindings = ["Sinusoidal.pull = 0.0", "Sinusoidal.fade = 0.0"]
    with configured(config_text("sinusoidal", "smoke", bindings)):
        sinusoidal = build().processor_group.sinusoidal
        scales = {"amp_scale_fn": sinusoidal.amp_scale_fn, "freq_scale_fn": sinusoidal.freq_scale_fn}
        amplitudes, places = _random(1, 100)[None], _random(2, 100)[None]
        expected = ddsp.synths.Sinusoidal(**scales).get_controls(amplitudes, places)
        found = sinusoidal.get_controls(amplitudes, places, _f0_hz()[None])
        tuned = _built("sinusoidal").processor_group.sinusoidal.get_controls(amplitudes, places, _f0_hz()[None])
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
        assert np.abs(tuned[name] - values).max() > 1e-3


def test_a_pull_beyond_the_multiple_is_refused():
    with pytest.raises(InputError, match=r"pull is 1\.5: expected a number from 0 to 1"):
        config_text("sinusoidal", "smoke", ["Sinusoidal.pull = 1.5"])


def test_wavetable_of_ddsp():
    amplitudes, tables, f0_hz = _random(1, 1), _random(2, 128), _f0_hz()
    bindings = [
        "Wavetable.tables = 0",
        "Wavetable.band_limited = False",
        "RnnFcDecoder.output_splits = (('amps', 1), ('wavetables', 128), ('noise_magnitudes', 65))",
    ]
    wavetable = _built("wavetable", bindings=bindings).processor_group.wavetable
    played = wavetable(amplitudes[None], tables[None], f0_hz[None]).numpy()[0]
    shape = tables - tables.mean(axis=1, keepdims=True)
    shape = _linear(shape / np.sqrt((shape**2).mean(axis=1, keepdims=True)))
    phase = np.cumsum(_linear(f0_hz)[:, 0] / RATE_HZ)
    place = (np.concatenate([[0.0], phase[:-1]]) % 1.0) * 128
    left = place.astype(int) % 128
    rows, share = np.arange(SAMPLES), place - np.floor(place)
    read = shape[rows, left] * (1 - share) + shape[rows, (left + 1) % 128] * share
    # White tables: a float32 phase that is off by 1e-5 cycles is off by 5e-3 in level.
    np.testing.assert_allclose(played, read * _hann(_exp_sigmoid(amplitudes))[:, 0], atol=2e-2)


def test_a_constant_wavetable_is_silence_with_a_finite_gradient():
    from components.synths.ddsp_imports import tf
    from components.synths.scaling import unit_wavetable

    flat = tf.ones([1, 2, 128])
    with tf.GradientTape() as tape:
        tape.watch(flat)
        total = tf.reduce_sum(unit_wavetable(flat) ** 2)
    assert float(total) == 0.0
    assert np.isfinite(tape.gradient(total, flat).numpy()).all()


def test_filtered_noise():
    from components.synths.ddsp_imports import tf

    magnitudes, seed = _random(3, 65), tf.constant([5, 6])
    noise = _built("harmonic").processor_group.filtered_noise
    played = noise(magnitudes[None], seed).numpy()[0]
    white = tf.random.stateless_uniform([1, SAMPLES], seed, -1.0, 1.0).numpy()[0].astype(np.float64)
    impulses = np.fft.fftshift(np.fft.irfft(_exp_sigmoid(magnitudes - 5.0)), axes=1)
    impulses *= 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(128) / 128)
    expected = np.zeros(SAMPLES + 128)
    for i, impulse in enumerate(impulses):
        expected[i * HOP : i * HOP + HOP + 127] += np.convolve(white[i * HOP : (i + 1) * HOP], impulse)
    delay = 62  # ddsp compensates one sample less than the filter's 63
    np.testing.assert_allclose(played, expected[delay : delay + SAMPLES], atol=1e-6)
    assert np.abs(expected).max() > 1e-6


def test_noise_follows_its_seed():
    from components.synths.ddsp_imports import tf

    noise = _built("harmonic").processor_group.filtered_noise
    magnitudes = np.full((1, FRAMES, 65), 5.0, np.float32)
    first, again, other = (noise(magnitudes, tf.constant(seed)).numpy() for seed in ([0, 1], [0, 1], [0, 2]))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


@pytest.mark.parametrize(
    ("synth", "preset", "outputs"),
    [
        ("harmonic", "smoke", 1 + 60 + 65),
        ("sinusoidal", "smoke", 100 + 100 + 65),
        ("wavetable", "smoke", 1 + 16 + 65),
        ("harmonic", "seed", 1 + 45 + 45),
        ("harmonic", "standard", 1 + 60 + 65),
    ],
)
def test_the_decoder_has_as_many_outputs_as_the_synthesizer_takes(synth, preset, outputs):
    assert _built(synth, preset).decoder.dense_out.units == outputs


def test_the_standard_network_is_ddsp_s_solo_instrument():
    decoder = _built("harmonic", "standard").decoder
    shapes = [tuple(weight.shape) for weight in decoder.rnn.trainable_variables]
    assert shapes == [(1024, 3 * 512), (512, 3 * 512), (2, 3 * 512)]
    assert len(decoder.out_stack.layers) == 3


def test_every_preset_of_every_synth_is_accepted_by_gin():
    for synth in SYNTHS:
        for preset in PRESETS:
            with configured(config_text(synth, preset)):
                pass


@pytest.mark.parametrize("synth", SYNTHS)
def test_f0_of_0_above_nyquist_and_silence_give_finite_audio(synth):
    model = _built(synth)
    for f0_hz in (0.0, 7_000.0, 12_000.0):
        pitch = np.full((1, FRAMES), f0_hz, np.float32)
        with configured(config_text(synth, "smoke")):
            played = model(inputs(pitch, np.full_like(pitch, -80.0)), training=False)
        assert np.isfinite(played["audio_synth"].numpy()).all()
