"""The reverb: off by default, exact as a whole, in blocks and in the exports, and learned from a recording."""

from __future__ import annotations

import numpy as np
import pytest

from components.artifacts.model_card import ModelCard
from components.config.catalog import SYNTHS
from components.synths.instrument import Instrument, save
from components.synths.model import build, config_text, configured
from components.synths.rendering import Curves, render
from components.synths.reverb import BlockReverb, Reverb, reverberated

_SMALL = ("RnnFcDecoder.ch = 8", "RnnFcDecoder.rnn_channels = 8")


@pytest.fixture(scope="module")
def in_a_room(tmp_path_factory) -> Instrument:
    """An untrained instrument with a reverb that is easily heard."""
    from components.synths.ddsp_imports import gin, tf

    folder = tmp_path_factory.mktemp("room")
    with configured(config_text("harmonic", "smoke", [*_SMALL, "Reverb.seconds = 0.3", "Reverb.decay_s = 0.2"])):
        tf.keras.utils.set_random_seed(3)
        model = build()
        config = gin.operative_config_str()
    reverb = model.processor_group.reverb
    reverb.level.assign_add(0.3)
    save(model, ModelCard("string", "harmonic"), config, folder)
    return Instrument.load(str(folder))


def _sounds() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    dry, response = random.normal(size=(2, 5_000)).astype(np.float32), random.normal(0, 0.1, 700).astype(np.float32)
    wet = np.stack([row + np.convolve(row, np.append(0.0, response))[: len(row)] for row in dry.astype(np.float64)])
    return dry, response, wet


def test_the_wet_sound_is_the_convolution_whatever_the_length_and_the_blocks():
    from components.synths.ddsp_imports import tf

    dry, response, wet = _sounds()
    np.testing.assert_allclose(reverberated(tf.constant(dry), tf.constant(response)), wet, atol=2e-5)
    spec = tf.TensorSpec([2, None])
    of_any_length = tf.function(lambda audio: reverberated(audio, tf.constant(response))).get_concrete_function(spec)
    for length in (1, 699, 1_349, 5_000):
        np.testing.assert_allclose(of_any_length(tf.constant(dry[:, :length])), wet[:, :length], atol=2e-5)
    in_blocks = BlockReverb(response)
    parts = [in_blocks.render(part) for part in np.split(dry[0], [1, 300, 1_500, 1_501])]
    np.testing.assert_allclose(np.concatenate(parts), wet[0], atol=2e-5)
    whole = np.convolve(dry[0], np.append(0.0, response))[5_000:]
    np.testing.assert_allclose(in_blocks.ringing(), whole, atol=2e-5)


@pytest.mark.parametrize("synth", SYNTHS)
def test_without_a_length_nothing_is_learned_and_the_sound_passes(synth):
    with configured(config_text(synth, "smoke", _SMALL)):
        model = build()
    dry = _sounds()[0]
    np.testing.assert_array_equal(model.processor_group.reverb(dry), dry)
    assert not model.processor_group.reverb.weights


def test_the_initial_room_is_quiet_and_decays():
    reverb = Reverb(seconds=1.0, decay_s=0.5)
    response = reverb.impulse_response().numpy()
    power_db = 10 * np.log10(np.square(response).reshape(10, -1).sum(axis=1))
    assert 10 * np.log10(np.square(response).sum()) == pytest.approx(-15, abs=0.5)
    np.testing.assert_allclose(np.diff(power_db), -12, atol=2)


def test_a_room_is_learned():
    """Level and decay of a room, from white noise that was played in it."""
    from components.synths.ddsp_imports import tf
    from components.synths.losses import SpectralLoss

    there, learned, loss = Reverb(0.25, decay_s=0.15), Reverb(0.25, decay_s=0.5), SpectralLoss(logmag_weight=1.0)
    there.level.assign_add(0.25)
    there.noise.assign(np.random.default_rng(7).normal(size=4_000))
    clicks = np.zeros((1, 8_000), np.float32)
    clicks[0, 1_000] = 1.0
    target, optimizer = there(clicks), tf.keras.optimizers.Adam(0.01)

    @tf.function(autograph=False)
    def step() -> None:
        with tf.GradientTape() as tape:
            value = loss(target, learned(clicks))
        weights = learned.trainable_weights
        optimizer.apply_gradients(zip(tape.gradient(value, weights), weights, strict=True))

    for _ in range(150):
        step()
    wanted, found = (np.square(each.impulse_response()).reshape(4, -1).sum(axis=1) for each in (there, learned))
    np.testing.assert_allclose(10 * np.log10(found[:3]), 10 * np.log10(wanted[:3]), atol=4)


def test_dry_and_wet_are_to_be_had_and_a_transfer_in_blocks_equals_the_whole(in_a_room):
    frames = 600
    f0_hz, loudness_db = np.full(frames, 220.0, np.float32), np.full(frames, -30.0, np.float32)
    whole = in_a_room.play(f0_hz[None], loudness_db[None])
    dry = whole["tonal"][0] + whole["noise"][0]
    assert np.abs(whole["audio"][0] - dry).max() > 0.05
    gate = np.ones(frames, np.float32)
    gate[300:] = 0.0
    fitted = Curves(f0_hz, loudness_db, gate)
    found = np.concatenate(list(render(in_a_room, fitted)))
    found_dry = np.concatenate(list(render(in_a_room, fitted, dry=True)))
    response = in_a_room.impulse_response
    expected = found_dry + np.convolve(found_dry, np.append(0.0, response))[: len(found_dry)]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    before_the_gate = slice(0, 240 * 64)  # where the noise is that of the whole
    np.testing.assert_allclose(found[before_the_gate], whole["audio"][0][before_the_gate], atol=1e-4)
    silent = slice(302 * 64, 310 * 64)
    assert not found_dry[silent].any()
    assert np.abs(found[silent]).max() > 1e-3  # the room rings on


def test_an_export_plays_both_and_has_the_impulse_response(in_a_room):
    from components.export.graphs import Graphs
    from components.synths.ddsp_imports import tf

    f0_hz, loudness_db = np.full(70, 220.0, np.float32), np.full(70, -30.0, np.float32)
    played = Graphs(in_a_room).play(f0_hz=tf.constant(f0_hz), loudness_db=tf.constant(loudness_db), seed=tf.constant(0))
    whole = in_a_room.play(f0_hz[None], loudness_db[None])
    first = slice(0, 45 * 64)
    np.testing.assert_allclose(played["audio"][first], whole["audio"][0][first], atol=1e-4)
    np.testing.assert_allclose(played["dry"][first], (whole["tonal"] + whole["noise"])[0][first], atol=1e-4)
