"""Trainings that leave the path: they go back and try with half the rate, twice, and then say what happened."""

from __future__ import annotations

import math

import pytest

from components import storage
from components.artifacts.metrics_log import read_lines
from components.train.checkpoints import decode
from components.train.divergence import Diverged, check_interval, check_validation
from components.train.trainer import Interval
from tests.train.trainings import BINDINGS, STEPS, checkpoint, command, curve, run_json, saved_steps

_SELDOM = [*BINDINGS, "train.checkpoint_every_s = 1000", "train.log_every_steps = 5"]


def test_a_nan_is_undone_and_the_rate_is_halved(data, nursery, undisturbed, tmp_path):
    code, said = nursery.run(*command(data, tmp_path, _SELDOM), before="nan_once")
    assert code == 0, said
    assert "diverged at step 20: a loss or a gradient is not a number; back to step 0 with half the rate" in said
    record = run_json(tmp_path)
    assert record["steps"] == STEPS
    [undone] = record["rollbacks"]
    assert (undone["step"], undone["to_step"]) == (20, 0)
    rates = [line["learning_rate"] for line in read_lines(tmp_path / "metrics.jsonl") if line["split"] == "train"]
    before = [line["learning_rate"] for line in read_lines(undisturbed / "metrics.jsonl") if line["split"] == "train"]
    assert rates[0] == pytest.approx(before[0] / 2)
    steps = [step for step, split, _ in curve(tmp_path) if split == "train"]
    assert steps == [1, 5, 10, 15, 20, 25, 30]
    assert all(math.isfinite(loss) for *_, loss in curve(tmp_path))


def test_after_two_halvings_it_stops_with_the_whole_account_in_one_line(data, nursery, tmp_path):
    code, said = nursery.run(*command(data, tmp_path, _SELDOM), before="nan_always")
    assert code == 1
    [line] = [line for line in said.splitlines() if line.startswith("luthier: ")]
    assert "diverged at step 20 (a loss or a gradient is not a number)" in line
    assert "halved the learning rate 2 times (at step 20: " in line
    assert "try a lower train.learning_rate" in line
    assert "Traceback" not in said
    record = run_json(tmp_path)
    assert record["status"] == "failed"
    assert line.endswith(record["failure"])
    assert saved_steps(tmp_path) == [0]
    # The two tries are in the checkpoint, so that who starts it again does not begin with two more.
    assert len(decode(storage.read_bytes(checkpoint(tmp_path, 0))).state["rollbacks"]) == 2


@pytest.mark.parametrize(
    ("loss", "finite", "says"),
    [(20.0, True, None), (79.0, True, None), (81.0, True, "above 80, 4 times"), (1.0, False, "not a number")],
)
def test_what_counts_as_divergence_of_steps(loss, finite, says):
    interval = Interval(steps=10, loss=loss, grad_norm=1.0, finite=finite)
    if says is None:
        check_interval(interval, untrained_loss=20.0, factor=4.0)
    else:
        with pytest.raises(Diverged, match=says):
            check_interval(interval, untrained_loss=20.0, factor=4.0)
    check_interval(None, 20.0, 4.0)


def test_what_counts_as_divergence_of_a_validation():
    check_validation(19.0, best_loss=5.0, factor=4.0)
    check_validation(19.0, best_loss=math.inf, factor=4.0)
    with pytest.raises(Diverged, match="21, above 20, 4 times the best"):
        check_validation(21.0, best_loss=5.0, factor=4.0)
    with pytest.raises(Diverged, match="not a number"):
        check_validation(math.nan, best_loss=5.0, factor=4.0)
