"""A training that begins with another model's weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.synths.instrument import Instrument
from tests.train.nursery import Nursery
from tests.train.trainings import BINDINGS, command, run_json


def test_it_begins_where_the_other_was_best(data: str, nursery: Nursery, undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "warm"
    code, said = nursery.run(*command(data, out, BINDINGS, "--warm-start", str(undisturbed)))
    assert code == 0, said
    record, before = run_json(out), run_json(undisturbed)
    assert record["first_spectral_loss"] == pytest.approx(before["best"]["valid_loss"], rel=1e-4)
    assert record["best"]["valid_loss"] <= record["first_spectral_loss"]
    # What it leaves is as whole as any other's.
    assert (out / "operative_config.gin").read_text() == (undisturbed / "operative_config.gin").read_text()
    Instrument.load(str(out))
    # A training goes on as it began, whatever it would begin with now.
    code, said = nursery.run(*command(data, out, BINDINGS, "--warm-start", str(undisturbed)))
    assert code == 0 and "trained already" in said and "goes on as it began" not in said
    code, said = nursery.run(*command(data, out))
    assert code == 0 and f"goes on as it began, with the weights of {undisturbed}" in said
    assert run_json(out) == record


def test_another_network_is_said_and_trained_anew(
    data: str, nursery: Nursery, undisturbed: Path, tmp_path: Path
) -> None:
    larger = [*BINDINGS, "RnnFcDecoder.rnn_channels = 24", "train.max_steps = 2"]
    code, said = nursery.run(*command(data, tmp_path / "larger", larger, "--warm-start", str(undisturbed)))
    assert code == 0, said
    assert "is another network: the training begins anew" in said


def test_a_model_that_is_not_there_is_one_line(data: str, nursery: Nursery, tmp_path: Path) -> None:
    code, said = nursery.run(*command(data, tmp_path / "out", BINDINGS, "--warm-start", str(tmp_path / "nothing")))
    assert code == 2 and "there is no model at" in said.splitlines()[-1]
