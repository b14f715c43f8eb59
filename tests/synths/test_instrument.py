"""A model as a folder: saved, moved, loaded and played, whatever else gin was told."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest

from components import storage
from components.artifacts.model_card import ModelCard
from components.config.catalog import SYNTHS
from components.core.errors import InputError
from components.synths.instrument import Instrument, save
from components.synths.losses import spectral_loss
from components.synths.model import build, config_text, configured
from tests.synths.reference import spectral_loss as reference_loss

_OWN_CONTROLS = {"harmonic": "harmonic_distribution", "sinusoidal": "frequencies", "wavetable": "wavetables"}


@pytest.fixture(scope="module")
def model_dirs(tmp_path_factory: pytest.TempPathFactory):
    """An untrained model of every synth, saved as a training saves it."""
    from components.synths.ddsp_imports import gin, tf

    tf.keras.utils.set_random_seed(8)
    folder = tmp_path_factory.mktemp("models")
    for synth in SYNTHS:
        with configured(config_text(synth, "smoke")):
            model = build()
            config = gin.operative_config_str()
        save(model, ModelCard("string", synth), config, folder / synth / "model")
    return folder


@pytest.fixture(scope="module")
def instruments(model_dirs):
    """The models, loaded once: building one takes a second."""
    return {synth: Instrument.load(str(model_dirs / synth)) for synth in SYNTHS}


def _curves(frames: int, batch: int = 1) -> tuple[np.ndarray, np.ndarray]:
    f0_hz = np.linspace(200, 400, frames)[None].repeat(batch, 0)
    return f0_hz, np.linspace(-50, -20, frames)[None].repeat(batch, 0)


@pytest.mark.parametrize("synth", SYNTHS)
def test_plays_any_length_as_the_sum_of_its_parts(instruments, synth):
    instrument = instruments[synth]
    assert (instrument.card.family, instrument.card.synth) == ("string", synth)
    for frames in (1, 7, 130):
        played = instrument.play(*_curves(frames, batch=2))
        for signal in ("audio", "tonal", "noise"):
            assert played[signal].shape == (2, frames * 64)
            assert played[signal].dtype == np.float32
        np.testing.assert_allclose(played["audio"], played["tonal"] + played["noise"], atol=1e-6)
        assert np.abs(played["tonal"]).max() > 1e-3
        controls = played["controls"]
        assert {"amplitudes", "f0_hz", "noise_magnitudes", _OWN_CONTROLS[synth]} == set(controls)
        assert all(values.shape[:2] == (2, frames) for values in controls.values())


def test_equal_arguments_give_equal_sound_and_only_the_noise_follows_the_seed(instruments):
    instrument = instruments["harmonic"]
    first = instrument.play(*_curves(20))
    np.testing.assert_array_equal(first["audio"][0], instrument.play(*_curves(20, batch=3))["audio"][2])
    other = instrument.play(*_curves(20), seed=1)
    np.testing.assert_array_equal(first["tonal"], other["tonal"])
    assert (first["noise"] != other["noise"]).any()


def test_the_same_after_a_move_and_beside_other_models(model_dirs, instruments, tmp_path, gcs):
    before = {synth: instruments[synth].play(*_curves(9))["audio"] for synth in SYNTHS}
    moved = shutil.copytree(model_dirs / "wavetable" / "model", tmp_path / "elsewhere")
    remote = f"{gcs.bucket()}/models/sinusoidal"
    storage.upload_tree(model_dirs / "sinusoidal" / "model", remote)
    loaded = {"wavetable": Instrument.load(str(moved)), "sinusoidal": Instrument.load(remote)}
    for synth, instrument in loaded.items():
        np.testing.assert_array_equal(instrument.play(*_curves(9))["audio"], before[synth])


def test_gin_is_left_empty_and_what_was_in_it_does_not_matter(model_dirs, instruments):
    from components.synths.ddsp_imports import gin

    expected = instruments["harmonic"].play(*_curves(5))["audio"]
    with gin.unlock_config():
        gin.parse_config("luthier.Harmonic.sample_rate = 8000\nexp_sigmoid.max_value = 9.0")
    np.testing.assert_array_equal(Instrument.load(str(model_dirs / "harmonic")).play(*_curves(5))["audio"], expected)
    assert gin.config_str() == ""


def test_a_binding_is_part_of_the_saved_model(tmp_path):
    from components.synths.ddsp_imports import gin

    with configured(config_text("sinusoidal", "smoke", ["luthier.quiet_exp_sigmoid.initial_bias = -6.0"])):
        model = build()
        save(
            model,
            ModelCard("string", "sinusoidal"),
            gin.operative_config_str(),
            tmp_path,
        )
    amplitudes = Instrument.load(str(tmp_path)).play(*_curves(5))["controls"]["amplitudes"]
    assert amplitudes.max() < 1e-3


def test_a_model_saved_with_ddsp_s_own_layers_plays_with_ours(model_dirs, instruments, tmp_path):
    older = shutil.copytree(model_dirs / "harmonic" / "model", tmp_path / "older")
    config = (older / "operative_config.gin").read_text()
    config = config.replace("@luthier.RnnFcDecoder", "@decoders.RnnFcDecoder").replace("@luthier.Har", "@synths.Har")
    for name in ("RnnFcDecoder", "Harmonic", "SpectralLoss"):
        config = config.replace(f"luthier.{name}", name)
    with configured(config_text("harmonic", "smoke")):
        model = build()
    model.load_weights(str(older / "weights.h5"))
    save(model, ModelCard("string", "harmonic"), config, older)
    expected = instruments["harmonic"].play(*_curves(9))["audio"]
    np.testing.assert_array_equal(Instrument.load(str(older)).play(*_curves(9))["audio"], expected)


def test_a_model_saved_before_sinusoids_knew_the_pitch_plays_as_it_did(model_dirs, instruments, tmp_path):
    older = shutil.copytree(model_dirs / "sinusoidal" / "model", tmp_path / "older")
    with configured(config_text("sinusoidal", "smoke")):
        model = build()
    model.load_weights(str(older / "weights.h5"))
    config = (older / "operative_config.gin").read_text()
    lines = [
        line
        for line in config.splitlines()
        if not line.startswith(("luthier.Sinusoidal.pull", "luthier.Sinusoidal.fade"))
    ]
    config = re.sub(r"'sin_freqs',\s*'f0_hz'", "'sin_freqs'", "\n".join(lines))
    assert "'sin_freqs']" in config
    save(model, ModelCard("string", "sinusoidal"), config, older)
    ddsps = ["Sinusoidal.pull = 0.0", "Sinusoidal.fade = 0.0"]
    save(
        model,
        ModelCard("string", "sinusoidal"),
        config_text("sinusoidal", "smoke", ddsps),
        tmp_path / "ddsps",
    )
    played = Instrument.load(str(older)).play(*_curves(9))
    np.testing.assert_array_equal(Instrument.load(str(tmp_path / "ddsps")).play(*_curves(9))["audio"], played["audio"])
    tuned = instruments["sinusoidal"].play(*_curves(9))
    assert np.abs(tuned["controls"]["frequencies"] - played["controls"]["frequencies"]).max() > 20.0


def test_no_model_or_half_a_model_is_said_clearly(model_dirs, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "checkpoint").write_text("x")
    with pytest.raises(InputError, match=r"no model at .* got checkpoints, expected model.json"):
        Instrument.load(str(tmp_path))
    whole = model_dirs / "harmonic" / "model"
    for name in ("weights.h5", "operative_config.gin"):
        broken = shutil.copytree(whole, tmp_path / f"without-{name}")
        (broken / name).unlink()
        with pytest.raises(InputError, match=f"incomplete: {name}"):
            Instrument.load(str(broken))
    torn = shutil.copytree(whole, tmp_path / "torn")
    (torn / "weights.h5").write_bytes((whole / "weights.h5").read_bytes()[:-100])
    with pytest.raises(InputError, match="incomplete: weights"):
        Instrument.load(str(torn))


def test_curves_that_do_not_match_are_refused(instruments):
    instrument = instruments["harmonic"]
    for f0_hz, loudness_db in ((np.ones((1, 4)), np.ones((1, 5))), (np.ones(4), np.ones(4)), (np.ones((0, 4)),) * 2):
        with pytest.raises(InputError, match="expected both"):
            instrument.play(f0_hz, loudness_db)


def test_a_parameter_that_does_not_exist_gets_the_nearest():
    for binding, hint in (("Harmonic.n_sample = 1", "'n_samples'"), ("train.max_step = 1", "'max_steps'")):
        with (
            pytest.raises(InputError, match=f"has no parameter .* {hint}"),
            configured(config_text("harmonic", "smoke", [binding])),
        ):
            pass


@pytest.mark.parametrize("binding", ["RnnFcDecoder.input_keys = ('z',)", "RnnFcDecoder.output_splits = (('x', 1),)"])
def test_a_value_that_makes_no_model_is_the_users_error(binding):
    with (
        pytest.raises(InputError, match="the model cannot be built"),
        configured(config_text("harmonic", "smoke", [binding])),
    ):
        build()


def test_spectral_loss_against_float64():
    random = np.random.default_rng(0)
    audio, reference = random.normal(0, 0.1, (2, 2, 8000)).astype(np.float32)
    losses = spectral_loss(audio, reference)
    assert losses.shape == (2,)
    expected = [reference_loss(audio[i], reference[i]) for i in range(2)]
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    np.testing.assert_array_equal(spectral_loss(audio, audio), [0.0, 0.0])
