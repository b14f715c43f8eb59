"""Names of synths and presets, and the bindings that users may set: all without TensorFlow."""

from __future__ import annotations

import subprocess
import sys

import pytest

from components.config import catalog
from components.config.bindings import check_bindings, known_configurables
from components.core.errors import InputError


def test_every_combination_has_its_files():
    for synth in catalog.SYNTHS:
        for preset in catalog.PRESETS:
            assert all(path.is_file() for path in catalog.gin_files(synth, preset))


def test_a_misspelt_name_gets_the_nearest():
    with pytest.raises(InputError, match="did you mean 'harmonic'"):
        catalog.check_synth("harmonics")
    with pytest.raises(InputError, match="did you mean 'standard'"):
        catalog.gin_files("harmonic", "standart")


@pytest.mark.parametrize(
    "binding",
    ["train.max_steps = 3", "RnnFcDecoder.output_splits = (('amps', 1),\n  ('x', 2))", "SpectralLoss.loss_type = 'L2'"],
)
def test_literals_for_our_own_configurables_pass(binding):
    check_bindings([binding])


@pytest.mark.parametrize(
    ("binding", "named"),
    [
        ("import os", "import"),
        ("from os import system", "import"),
        ("include 'other.gin'", "include"),
        ("Harmonic.scale_fn = @core.exp_sigmoid", "@core.exp_sigmoid"),
        ("train.max_steps = @os.getpid()", r"@os.getpid\(\)"),
        ("ProcessorGroup.dag = [('x', [@synths.Harmonic()])]", r"@synths.Harmonic\(\)"),
        ("train.max_steps = %HARMONICS", "%HARMONICS"),
        ("HARMONICS = 3", "HARMONICS"),
        ("scope/train.max_steps = 3", "scope"),
        ("os.system.command = 'x'", "os.system"),
        ("ddsp.training.train_util.train.batch_size = 2", "ddsp.training.train_util.train"),
        ("tran.max_steps = 3", "did you mean 'train'"),
        ("train.max_steps = 3\nimport os", "2 statements"),
        ("train:\n  max_steps = 3", "statements"),
        ("train.max_steps", "cannot be read"),
        ("train.max_steps = (1", "cannot be read"),
        ("train.max_steps = open('x')", "cannot be read"),
        ("", "0 statements"),
    ],
)
def test_anything_else_is_refused_by_name_in_one_line(binding, named):
    with pytest.raises(InputError, match=named) as error:
        check_bindings([binding])
    assert len(str(error.value).replace(binding, "").splitlines()) == 1


def test_what_may_be_bound_is_what_the_gin_files_bind():
    assert {"train", "luthier.Harmonic", "luthier.RnnFcDecoder", "luthier.FilteredNoise"} <= set(known_configurables())


def test_none_of_this_needs_tensorflow():
    code = (
        "import sys, components.config.bindings as b, components.config.catalog as c, components.train.step;"
        "c.gin_files('harmonic', 'smoke'); b.check_bindings(['train.max_steps = 3']);"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
