"""A training that starts with another model's weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from components.artifacts.run_record import WarmStart
from components.config.settings import TrainSettings
from components.core.errors import InputError
from components.synths.instrument import Instrument
from components.train.start import begins_pretrained, other_weights, set_initial_weights
from components.train.state import State
from tests.records import finished_record
from tests.train.trainings import BINDINGS, command, run_json


def test_it_starts_where_the_other_was_best(data, nursery, undisturbed, tmp_path, luthier):
    out = tmp_path / "warm"
    arguments = command(data, out, BINDINGS, "--warm-start", str(undisturbed))
    code, said = nursery.run(*arguments)
    assert code == 0, said
    record, before = run_json(out), run_json(undisturbed)
    assert record["first_spectral_loss"] == pytest.approx(before["best"]["valid_loss"], rel=1e-4)
    assert record["best"]["valid_loss"] <= record["first_spectral_loss"]
    # What it leaves is as whole as any other's.
    assert (out / "operative_config.gin").read_text() == (undisturbed / "operative_config.gin").read_text()
    Instrument.load(str(out))
    # A training keeps the weights that it started with, whatever it would start with now.
    again = luthier(*arguments)
    assert again.code == 0 and "trained already" in again.out and "keeps the initial weights" not in again.err
    again = luthier(*command(data, out))
    assert again.code == 0 and f"keeps the initial weights that it started with: {undisturbed}" in again.err
    assert run_json(out) == record


def _model(*shapes: tuple[int, ...]) -> SimpleNamespace:
    model = SimpleNamespace(weights=[np.zeros(shape) for shape in shapes])
    model.set_weights = lambda weights: setattr(model, "weights", weights)
    return model


def test_another_network_starts_from_scratch_and_the_log_says_so(caplog):
    model, weights = _model((2, 3), (3,)), [np.ones((2, 3)), np.ones(3)]
    record = finished_record("string", "harmonic", warm_start=WarmStart("other"))
    set_initial_weights(model, weights[:1], record)
    assert "the model 'other' is another network: training starts from scratch" in caplog.text
    assert not model.weights[0].any()
    set_initial_weights(model, weights, record)
    assert model.weights is weights


def test_a_small_preset_starts_with_weights_that_have_learned_instruments(data, nursery, tmp_path):
    steps = ["train.max_steps = 1", "train.crop_samples = 2048"]
    losses = {}
    for weights in ("pretrained", "random"):
        out = tmp_path / weights
        code, said = nursery.run(*command(data, out, [*steps, f"train.initial_weights = '{weights}'"]))
        assert code == 0, said
        assert ("starts with the weights of the pretrained network of the preset smoke" in said) == (
            weights == "pretrained"
        )
        losses[weights] = run_json(out)["first_spectral_loss"]
        assert run_json(out)["best"]["step"] == 1  # the weights before the first step have not seen these notes
    assert losses["pretrained"] < 0.6 * losses["random"]


def test_settings_of_another_network_start_with_random_weights_and_the_log_says_so(caplog):
    caplog.set_level("INFO")
    record = finished_record("string", "harmonic", bindings=("train.max_steps = 3", "SpectralLoss.level_weight = 1.0"))
    settings = TrainSettings(initial_weights="pretrained")
    assert len(other_weights(record, settings)) > 10 and not caplog.text
    with pytest.raises(InputError, match="the preset standard comes with no weights: expected 'random', or one of"):
        other_weights(replace(record, preset="standard"), settings)
    other = replace(record, bindings=(*record.bindings, "RnnFcDecoder.ch = 16"))
    assert other_weights(other, settings) == []
    assert "starts with random weights: 'RnnFcDecoder.ch = 16' may change the network" in caplog.text
    assert begins_pretrained(record, settings) and not begins_pretrained(record, TrainSettings())
    assert not begins_pretrained(other, settings)
    assert not begins_pretrained(replace(record, warm_start=WarmStart("other")), settings)


def test_the_best_weights_are_not_those_before_the_first_step():
    state = State()
    assert state.validated(5.0, 0.0, notes=1, candidate=False)
    assert (state.best_loss, state.best_step, state.stale) == (5.0, 0, 0)
    state.step = 50
    assert state.validated(9.0, 0.0, notes=1)
    assert (state.best_loss, state.best_step, state.stale) == (9.0, 50, 0)
    state.step = 100
    assert not state.validated(12.0, 0.0, notes=1)
    assert (state.first_loss, state.best_step, state.stale) == (5.0, 50, 1)


def test_a_model_that_is_not_there_is_one_line(data: str, refused, tmp_path: Path) -> None:
    line = refused(*command(data, tmp_path / "out", BINDINGS, "--warm-start", str(tmp_path / "nothing")))
    assert "there is no model at" in line
