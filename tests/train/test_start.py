"""A training that starts with another model's weights."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from components.synths.instrument import Instrument
from components.train.start import set_initial_weights
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
    set_initial_weights(model, weights[:1], "other")
    assert "the model 'other' is another network: training starts from scratch" in caplog.text
    assert not model.weights[0].any()
    set_initial_weights(model, weights, "other")
    assert model.weights is weights


def test_a_model_that_is_not_there_is_one_line(data: str, refused, tmp_path: Path) -> None:
    line = refused(*command(data, tmp_path / "out", BINDINGS, "--warm-start", str(tmp_path / "nothing")))
    assert "there is no model at" in line
