"""The values that parameters may have, and the one place where gin text is given to gin."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

from components.config.bindings import check_bindings, check_configuration
from components.config.catalog import gin_files
from components.core.errors import InputError

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "binding",
    [
        "train.batch_size = 1e9",
        "train.batch_size = 1000000000",
        "train.batch_size = True",
        "train.learning_rate = 1e308",
        "train.learning_rate = 1e999",
        "train.learning_rate = -1e999",
        "train.learning_rate = None",
        "train.seed = 4294967296",
        "train.seed = -1",
        "train.seed = " + "9" * 6_000,
        "train.seed = 0x" + "f" * 6_000,
        "train.crop_samples = 4097",
        "train.precision = ['float32']",
        "train.precision = '" + "x" * 100_000 + "'",
        "train.max_steps = " + "(" * 5_000 + "1" + ")" * 5_000,
        "train.max_steps = " + "[" * 5_000,
        "train.max_steps = {(): 1}",
        "train.max_steps = {[]: 1}",
        "train.nothing = 1",
        "RnnFcDecoder.layers_per_stack = 100000",
        "RnnFcDecoder.rnn_channels = 1000000",
        "RnnFcDecoder.output_splits = (('amps', 1000000000),)",
        "RnnFcDecoder.output_splits = ()",
        "RnnFcDecoder.output_splits = ((1, 'amps'),)",
        "a." * 3000 + "b = 1",
        "a/" * 3000 + "b.c = 1",
        "a" * 6000 + " = 1",
        "SpectralLoss.fft_sizes = (2048000000,)",
        "SpectralLoss.fft_sizes = (0,)",
        "SpectralLoss.fft_sizes = " + str(tuple([64] * 10_000)),
        "Sinusoidal.pull = 2",
        "FilteredNoise.initial_bias = 1e300",
        "FilteredNoise.name = '../x'",
        "Wavetable.sample_rate = 0",
        "Autoencoder.decoder = '@luthier.RnnFcDecoder()'",
        "gate.margin = 1e999",
        "train.seed = \0",
        "train.seed = 1\\",
        "\x1b[2Jtrain.seed = 1",
        "x" * 1_000_000,
    ],
    ids=lambda binding: binding[:40].encode("unicode_escape").decode(),
)
def test_what_no_parameter_may_be_is_refused_in_a_short_line_at_once(binding):
    began_s = time.thread_time()
    with pytest.raises(InputError) as refused:
        check_bindings([binding])
    assert len(str(refused.value)) < 600
    assert time.thread_time() - began_s < 5.0  # 0.2 s, and the collection of other tests' garbage


@pytest.mark.parametrize(
    "binding",
    [
        "FilteredNoise.initial_bias = -10.0",
        "Wavetable.sample_rate = 16000",
        "luthier.FilteredNoise.window_size = 257",
        "train.seed = 4294967295",
        "train.learning_rate = 1",
        "SpectralLoss.fft_sizes = [2048, 64]",
        "Harmonic.amp_resample_method = 'linear'",
    ],
)
def test_sensible_values_pass(binding):
    check_bindings([binding])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("HARMONICS = 10000000", "HARMONICS is 10000000: expected a whole number"),
        ("NEW = 1", "got the macro 'NEW'"),
        ("luthier.RnnFcDecoder.output_splits = (('amps', %OTHER),)", "%OTHER, which it does not define"),
        ("train.seed = %gin.REQUIRED", "%gin.REQUIRED"),
        ("a/HARMONICS = 3", "got the macro 'a/HARMONICS'"),
        ("a/train.seed = 3", "got the scope"),
        ("a/macro.value = 3", "got the scope 'a'"),
        ("singleton.constructor = @exp_sigmoid", "'singleton' cannot be configured"),
        ("ddsp.training.train_util.train.batch_size = 3", "'ddsp.training.train_util.train' cannot be configured"),
        ("luthier.Harmonic.scale_fn = @a/core.exp_sigmoid", "scale_fn is @a/core.exp_sigmoid: expected"),
        ("luthier.Harmonic.scale_fn = @core.exp_sigmoid()", r"scale_fn is @core.exp_sigmoid\(\): expected"),
        ("Autoencoder.losses = [@luthier.SpectralLoss(), @os.system()]", "losses is"),
        ("ProcessorGroup.dag = [(@luthier.Harmonic(), [@os.getcwd()])]", "dag is"),
        ("train:\n  batch_size = 1000000", "batch_size is 1000000"),
        ("from __gin__ import dynamic_registration", "got an import statement"),
        ("#" + "x" * 300_000, "expected 200,000 at most"),
    ],
)
def test_a_configuration_has_the_same_bounds(line, said):
    config = "\n".join(path.read_text() for path in gin_files("harmonic", "smoke"))
    check_configuration(config, "run")
    with pytest.raises(InputError, match=said):
        check_configuration(f"{config}\n{line}\n", "run")


def _calls(name: str) -> set[str]:
    """Returns the files of the product that use an attribute of that name, or import it."""
    found = set()
    for path in [*(_ROOT / "components").rglob("*.py"), *(_ROOT / "pipelines").rglob("*.py")]:
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if name in text else ():
            used = node.attr if isinstance(node, ast.Attribute) else node.name if isinstance(node, ast.alias) else ""
            if used.rpartition(".")[2].startswith(name):
                found.add(path.relative_to(_ROOT).as_posix())
    return found


def test_one_function_gives_text_to_gin_and_one_module_parses_it():
    assert _calls("parse_config") == {"components/synths/model.py"}
    assert _calls("config_parser") == {"components/config/gin_text.py"}
    for other in ("bind_parameter", "parse_value", "add_config_file_search_path", "exit_interactive", "parse_binding"):
        assert _calls(other) == set(), other
