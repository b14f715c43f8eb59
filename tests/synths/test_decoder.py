"""The decoder: its parts against float64, the whole against ddsp's own with the same variables."""

from __future__ import annotations

import numpy as np
import pytest

from components.config.catalog import SYNTHS
from components.synths.model import build, config_text, configured, inputs, set_frames
from tests.synths import reference
from tests.synths.reference import close, with_gradient

SPLITS = (("amps", 1), ("harmonic_distribution", 20), ("noise_magnitudes", 5))


@pytest.mark.usefixtures("with_xla")
@pytest.mark.parametrize(
    ("layout", "steps", "batch", "channels", "units"),
    [("cpu", 1, 1, 3, 4), ("cpu", 7, 3, 5, 6), ("cpu", 50, 2, 16, 9), ("gpu", 11, 3, 5, 6), ("gpu", 60, 2, 16, 9)],
)
def test_gru(layout, steps, batch, channels, units, monkeypatch):
    """With either layout of the loops, on whatever device there is."""
    from components.synths import gru as module
    from components.synths.gru import gru

    monkeypatch.setattr(module, "on_gpu", lambda: layout == "gpu")
    random = np.random.default_rng(units)
    shapes = ((steps, batch, channels), (channels, 3 * units), (units, 3 * units), (2, 3 * units))
    values = [random.normal(0, 0.5, shape).astype(np.float32) for shape in shapes]
    upstream = random.normal(size=(steps, batch, units)).astype(np.float32)
    for found, expected in zip(with_gradient(gru, upstream, *values), reference.gru(*values, upstream), strict=True):
        close(found, expected)


@pytest.mark.usefixtures("with_xla")
@pytest.mark.parametrize(("rows", "channels"), [(1, 9), (33, 7), (200, 64)])
def test_layer_norm_leaky_relu(rows, channels):
    from components.synths.decoder import layer_norm_leaky_relu

    random = np.random.default_rng(rows)
    product, upstream = random.normal(2, 3, (2, rows, channels)).astype(np.float32)
    bias, gamma, beta = random.normal(size=(3, channels)).astype(np.float32)

    def in_float64(product, bias, gamma, beta):
        centred = product + bias - (product + bias).mean(axis=1, keepdims=True)
        affine = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-3) * gamma + beta
        return np.where(affine > 0, affine, 0.2 * affine)

    values = [v.astype(np.float64) for v in (product, bias, gamma, beta)]
    output, *slopes = with_gradient(
        lambda *v: layer_norm_leaky_relu(*v, epsilon=1e-3), upstream, product, bias, gamma, beta
    )
    close(output, in_float64(*values))
    for i, slope in enumerate(slopes):
        way = random.normal(size=slope.shape)
        ahead, behind = ([v + s * 1e-6 * way if j == i else v for j, v in enumerate(values)] for s in (1, -1))
        expected = ((in_float64(*ahead) - in_float64(*behind)) * upstream).sum() / 2e-6
        assert (slope * way).sum() == pytest.approx(expected, rel=1e-4, abs=1e-4 * float(np.abs(slope).max()))


def _decoder(kind, dtype: str = "float32", **more):
    """A decoder, called once, so that it has its variables."""
    from components.synths.ddsp_imports import tf

    tf.keras.backend.set_floatx(dtype)
    try:
        keys = ("ld_scaled", "f0_scaled")
        made = kind(rnn_channels=24, ch=16, layers_per_stack=2, input_keys=keys, output_splits=SPLITS, **more)
        made(*(tf.zeros([1, 1, 1], dtype) for _ in keys))
    finally:
        tf.keras.backend.set_floatx("float32")
    return made


def _decoded(decoder, curves, upstream) -> list[np.ndarray]:
    """Outputs, and the gradients by all variables."""
    from components.synths.ddsp_imports import tf

    def traced():
        with tf.GradientTape() as tape:
            outputs = tf.concat(list(decoder(*(tf.constant(c, decoder.dtype) for c in curves)).values()), axis=2)
        slopes = tape.gradient(outputs, decoder.trainable_variables, tf.constant(upstream, decoder.dtype))
        return [outputs, *slopes]

    return [values.numpy() for values in tf.function(traced, autograph=False)()]


@pytest.mark.parametrize(("batch", "frames"), [(1, 1), (3, 17), (1, 100)])
def test_like_ddsp_s_in_float64(batch, frames):
    from components.synths.ddsp_imports import decoders
    from components.synths.decoder import RnnFcDecoder

    random = np.random.default_rng(frames)
    ours, theirs = _decoder(RnnFcDecoder), _decoder(decoders.RnnFcDecoder, "float64")
    for variable, other in zip(ours.variables, theirs.variables, strict=True):
        assert variable.shape == other.shape
        variable.assign(variable + random.normal(0, 0.1, variable.shape).astype(np.float32))
        other.assign(variable.numpy().astype(np.float64))
    curves = random.uniform(0, 1, (2, batch, frames, 1)).astype(np.float32)
    upstream = random.normal(size=(batch, frames, 26)).astype(np.float32)
    for found, expected in zip(_decoded(ours, curves, upstream), _decoded(theirs, curves, upstream), strict=True):
        close(found, expected)


@pytest.mark.parametrize("more", [{"rnn_type": "lstm"}, {"stateless": True}])
def test_what_is_not_ours_is_ddsp_s(more):
    from components.synths.ddsp_imports import decoders, tf
    from components.synths.decoder import RnnFcDecoder

    def outputs(kind):
        tf.keras.utils.set_random_seed(3)
        made = kind(rnn_channels=8, ch=8, layers_per_stack=1, input_keys=("a", "b"), output_splits=SPLITS, **more)
        curves = [tf.ones([2, 1 if "stateless" in more else 5, 1])] * 2
        state = [tf.ones([2, 8])] if "stateless" in more else []
        return [made(*curves, *state) for _ in range(2)][1]

    for name, values in outputs(RnnFcDecoder).items():
        np.testing.assert_array_equal(values, outputs(decoders.RnnFcDecoder)[name])


def _ddsp_s(config: str) -> str:
    """The configuration with ddsp's layers, where a drop-in of the same variables stands for them."""
    # The pitch: ddsp's sinusoids are not told it.
    told = tuple(f"luthier.Sinusoidal.{name}" for name in ("pull", "fade", "reach"))
    config = "\n".join(line for line in config.splitlines() if not line.startswith(told))
    config = config.replace("'sin_freqs', 'f0_hz'", "'sin_freqs'")
    for module, name in (("decoders", "RnnFcDecoder"), ("synths", "Harmonic"), ("synths", "Sinusoidal")):
        config = config.replace(f"luthier.{name}", f"{module}.{name}")
    return config.replace("luthier.SpectralLoss", "losses.SpectralLoss")


@pytest.mark.parametrize("synth", SYNTHS)
@pytest.mark.parametrize("kind", ["weights.h5", "checkpoint"])
def test_weights_move_both_ways_between_ddsp_s_layers_and_ours(synth, kind, tmp_path):
    from components.synths.ddsp_imports import tf

    untold = ["Sinusoidal.pull = 0.0", "Sinusoidal.fade = 0.0"] if synth == "sinusoidal" else []
    text = config_text(synth, "smoke", untold)
    played = []
    for source, target in ((text, _ddsp_s(text)), (_ddsp_s(text), text)):
        pair = []
        for config in (source, target):
            with configured(config):
                pair.append((build(), config))
        (first, _), (second, _) = pair
        path = str(tmp_path / kind)
        if kind == "weights.h5":
            first.save_weights(path)
            second.load_weights(path)
        else:
            saved = tf.train.Checkpoint(model=first).save(path)
            tf.train.Checkpoint(model=second).restore(saved).assert_consumed()
        for model, config in pair:
            set_frames(model, 6)
            curves = np.linspace(200, 300, 6)[None], np.linspace(-40, -20, 6)[None]
            with configured(config):
                played.append(model(inputs(*map(np.float32, curves)), training=False)["audio_synth"].numpy())
        np.testing.assert_allclose(played[-2], played[-1], atol=2e-3 * np.abs(played[-1]).max())


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_short_numbers_are_in_the_network_alone(precision):
    """Dense layers and GRU compute in them; variables, inputs, outputs, synthesizers, phases and the loss do not."""
    from components.synths.ddsp_imports import tf

    with configured(config_text("harmonic", "smoke")):
        model, exact = build(precision), build()
        exact.set_weights(model.get_weights())
        decoder = model.decoder
        inner = [decoder.dense_out, decoder.rnn.rnn.cell, *(each for s in decoder.input_stacks for each in s.layers)]
        assert {layer.compute_dtype for layer in inner} == {precision}
        outer = [decoder, model.preprocessor, model.processor_group, *model.processor_group.processors]
        assert {layer.compute_dtype for layer in outer} == {"float32"}
        assert {weight.dtype.name for weight in model.weights} == {"float32"}
        f0_hz = tf.fill([2, 50, 1], 220.0)
        features = inputs(f0_hz, tf.random.stateless_uniform([2, 50, 1], (0, 1), -60.0, -20.0))
        set_frames(model, 50)
        set_frames(exact, 50)
        outputs, losses = model({**features, "audio": tf.zeros([2, 3200])}, return_losses=True, training=True)
        wanted = exact(features, training=False)
    assert {value.dtype.name for value in tf.nest.flatten((outputs, losses)) if value.dtype.is_floating} == {"float32"}
    np.testing.assert_array_equal(outputs["f0_hz"], f0_hz)
    difference = np.abs(outputs["harmonic"]["controls"]["amplitudes"] - wanted["harmonic"]["controls"]["amplitudes"])
    assert 0 < difference.max() < 0.1


def test_the_first_layers_of_a_new_network_tell_values_of_their_input_apart():
    """With biases of 0, the channels for all inputs above 0 are multiples of each other."""
    with configured(config_text("harmonic", "smoke")):
        stacks = build().decoder.input_stacks
    values = np.array([[0.2], [0.5], [0.9]], np.float32)

    def likeness(stack):
        rows = np.asarray(stack(values)).reshape(len(values), -1)
        sizes = np.linalg.norm(rows, axis=1)
        return [float(rows[i] @ rows[i + 1] / (sizes[i] * sizes[i + 1])) for i in (0, 1)]

    for stack in stacks:
        assert max(likeness(stack)) < 0.9
        dense = stack.layers[0].layers[0]
        dense.bias.assign(np.zeros(dense.bias.shape))
        assert min(likeness(stack)) > 0.9999
