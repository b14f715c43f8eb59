"""The weights that come with presets: each fits its network, and a preset says so where there are any."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from components.config.catalog import PRESETS, SYNTHS
from components.config.settings import PRETRAINED, train_settings
from components.synths import model as models
from components.synths import pretrained


@pytest.mark.parametrize(("preset", "synth"), list(product(PRESETS, SYNTHS)))
def test_a_preset_has_weights_where_it_says_so(preset: str, synth: str) -> None:
    with models.configured(models.config_text(synth, preset)):
        says_so = train_settings().initial_weights == PRETRAINED
    assert says_so == (preset in pretrained.PRESETS) == pretrained.file_of(preset, synth).exists()


@pytest.mark.parametrize(("preset", "synth"), list(product(pretrained.PRESETS, SYNTHS)))
def test_the_weights_fit_the_network(preset: str, synth: str) -> None:
    weights = pretrained.load(preset, synth)
    with models.configured(models.config_text(synth, preset)):
        model = models.build()
    assert [array.shape for array in weights] == [tuple(weight.shape) for weight in model.weights]
    assert all(array.dtype == np.float32 and np.isfinite(array).all() for array in weights)


def test_what_is_saved_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(pretrained, "_FOLDER", tmp_path)
    weights = [np.full((2, index + 1), index / 8, np.float32) for index in range(12)]
    pretrained.save("smoke", "harmonic", weights)
    loaded = pretrained.load("smoke", "harmonic")
    assert all(np.array_equal(one, other) for one, other in zip(weights, loaded, strict=True))
