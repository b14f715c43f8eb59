"""Shorter numbers in the network: it learns as with long ones, and what must be exact stays exact."""

from __future__ import annotations

import pytest

from tests.train.trainings import BINDINGS, command, curve, run_json

_LONGER = [*BINDINGS, "train.max_steps = 60"]


@pytest.fixture(scope="module")
def full(data, nursery, tmp_path_factory) -> float:
    out = tmp_path_factory.mktemp("float32")
    assert nursery.run(*command(data, out, _LONGER))[0] == 0
    return run_json(out)["best"]["valid_loss"]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_training_in_short_numbers_ends_near_that_in_long_ones(full, data, nursery, tmp_path, precision):
    code, said = nursery.run(*command(data, tmp_path, [*_LONGER, f"train.precision = '{precision}'"]))
    assert code == 0, said
    assert run_json(tmp_path)["rollbacks"] == []
    first = curve(tmp_path)[0][2]
    assert run_json(tmp_path)["best"]["valid_loss"] < 0.8 * first
    assert run_json(tmp_path)["best"]["valid_loss"] == pytest.approx(full, rel=0.15)


def test_a_loss_that_is_scaled_is_resumed_with_its_scale(data, nursery, tmp_path):
    """The scale begins at 2^15 and is halved until the gradient is finite: a resumed training does not begin again."""
    short = [*BINDINGS, "train.precision = 'float16'", "train.log_every_steps = 1"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert nursery.run(*command(data, whole, short))[0] == 0
    nursery.start(*command(data, parts, short))
    nursery.wait_until(lambda: len(curve(parts)) >= 12)
    nursery.kill()
    assert nursery.run(*command(data, parts, short))[0] == 0
    assert curve(whole) == curve(parts)


@pytest.mark.parametrize(
    ("binding", "says"),
    [
        ("train.precision = 'half'", "train.precision is 'half': expected one of float32, bfloat16, float16"),
        ("train.tf32 = 1", "train.tf32 is 1: expected True or False"),
    ],
)
def test_bad_settings_are_one_line(refused, data, tmp_path, binding, says):
    assert says in refused(*command(data, tmp_path / "out", [*BINDINGS, binding]))
