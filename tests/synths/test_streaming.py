"""Rendering in blocks gives the audio of rendering all at once."""

from __future__ import annotations

import numpy as np
import pytest

from components.artifacts.model_card import ModelCard
from components.config.catalog import SYNTHS
from components.nsynth.note import HOP_SAMPLES
from components.synths.ddsp_imports import tf
from components.synths.instrument import Instrument, save
from components.synths.model import build, config_text, configured
from components.synths.streaming import BlockRenderer

_NEXT_TO_NO_NOISE = "luthier.FilteredNoise.initial_bias = -40.0"


def _instrument(folder, synth: str, *bindings: str, preset: str = "smoke") -> Instrument:
    from components.synths.ddsp_imports import gin

    with configured(config_text(synth, preset, bindings)):
        tf.keras.utils.set_random_seed(3)
        model = build()
        config = gin.operative_config_str()
    save(model, ModelCard("string", synth), config, folder)
    return Instrument.load(str(folder))


def _curves(frames: int) -> tuple[np.ndarray, np.ndarray]:
    time = np.arange(frames) / 250
    f0_hz = 220 * 2 ** np.sin(3 * time)
    return f0_hz.astype(np.float32)[None], (-35 + 15 * np.sin(11 * time)).astype(np.float32)[None]


def _in_blocks(instrument: Instrument, f0_hz: np.ndarray, loudness_db: np.ndarray, block: int) -> dict[str, np.ndarray]:
    renderer, frames = BlockRenderer(instrument, block), f0_hz.shape[1]
    blocks = -(-(frames + renderer.delay) // block)
    padded = [np.pad(x, ((0, 0), (0, blocks * block - frames)), mode="edge")[..., None] for x in (f0_hz, loudness_db)]
    parts = []
    with instrument.configured():
        state = renderer.initial_state(*(tf.constant(x[:, :1]) for x in padded))
        for first in range(0, blocks * block, block):
            part, state = renderer.render(*(tf.constant(x[:, first : first + block]) for x in padded), 0, state)
            parts.append({name: values.numpy() for name, values in part.items()})
    joined = {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
    return {
        name: values[:, renderer.delay * HOP_SAMPLES :][:, : frames * HOP_SAMPLES]
        if name == "audio"
        else np.repeat(values, renderer.stride, axis=1)[:, renderer.delay :][:, :frames]
        for name, values in joined.items()
    }


@pytest.mark.parametrize(("synth", "preset"), [*((synth, "smoke") for synth in SYNTHS), ("harmonic", "vst")])
def test_blocks_go_on_exactly_where_the_one_before_ended(tmp_path, synth, preset):
    instrument = _instrument(tmp_path, synth, _NEXT_TO_NO_NOISE, preset=preset)
    curves = _curves(230)
    whole, blocks = instrument.play(*curves), _in_blocks(instrument, *curves, block=40)
    for name in set(blocks) - {"audio"}:
        np.testing.assert_allclose(blocks[name], whole["controls"][name], rtol=1e-4, atol=1e-5, err_msg=name)
    assert np.abs(whole["audio"]).max() > 1e-2
    # The network's last frame is another: what follows it is held by the layers, and by the curves.
    sounds = slice(0, (230 - 2 * instrument.stride) * HOP_SAMPLES)
    np.testing.assert_allclose(blocks["audio"][:, sounds], whole["audio"][:, sounds], atol=1e-4)


def test_the_first_blocks_noise_is_that_of_the_whole_and_every_join_is_as_noisy_as_the_rest(tmp_path):
    instrument = _instrument(tmp_path, "harmonic", "luthier.FilteredNoise.initial_bias = 0.0")
    f0_hz, loudness_db = np.full((1, 420), 220, np.float32), np.full((1, 420), -30, np.float32)
    whole, blocks = instrument.play(f0_hz, loudness_db), _in_blocks(instrument, f0_hz, loudness_db, block=60)
    first = slice(0, 56 * HOP_SAMPLES)
    np.testing.assert_allclose(blocks["audio"][:, first], whole["audio"][:, first], atol=1e-5)
    noise = (blocks["audio"] - whole["tonal"])[0, : 412 * HOP_SAMPLES]
    assert not np.allclose(
        noise[60 * HOP_SAMPLES :], whole["noise"][0, 60 * HOP_SAMPLES : 412 * HOP_SAMPLES], atol=1e-2
    )
    level = np.sqrt(np.mean(noise.reshape(-1, 2 * HOP_SAMPLES) ** 2, axis=1))
    at_joins = level[[(60 * number - 2) // 2 for number in range(1, 7)]]
    assert level.min() > 0.6 * level.mean()
    np.testing.assert_allclose(at_joins.mean(), level.mean(), rtol=0.15)
