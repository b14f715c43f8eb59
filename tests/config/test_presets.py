"""`luthier presets`, and the numbers of a preset with bindings on top."""

import json

import pytest

from components.config.catalog import PRESETS
from components.config.presets import read_preset
from components.core.errors import InputError


def test_a_preset_in_numbers():
    standard = read_preset("standard")
    assert (standard.steps, standard.batch_size, standard.gru_units, standard.dense_layers) == (30_000, 64, 512, 3)
    changed = read_preset("standard", ["train.max_steps = 7", "RnnFcDecoder.rnn_channels = 8"])
    assert (changed.steps, changed.gru_units) == (7, 8)
    for bindings in (["train.max_steps = 'many'"], ["train.max_steps = True"], ["os.system = 1"], ["x"]):
        with pytest.raises(InputError):
            read_preset("smoke", bindings)
    with pytest.raises(InputError, match="did you mean 'smoke'"):
        read_preset("smoek")


def test_presets_are_listed(luthier):
    header, *lines = luthier("presets").out.splitlines()
    assert header.split()[:3] == ["PRESET", "STEPS", "BATCH"]
    assert [line.split()[0] for line in lines] == list(PRESETS)
    assert "29 min" in next(line for line in lines if line.startswith("standard"))
    found = {each["name"]: each for each in json.loads(luthier("presets", "--json").out)}
    assert found["seed"]["steps"] == 340 and found["seed"]["seconds"]["2 cores"]["sinusoidal"] == 28.1
    assert found["vst"]["seconds"] == {"2 cores": {}, "H100": {}}
