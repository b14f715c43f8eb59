"""When a training is over: flat curves, steps, minutes."""

from __future__ import annotations

import pytest

from components.config.settings import TrainSettings
from components.train.state import State
from components.train.stopping import verdict


def _validated(losses: list[float], min_improvement: float = 0.01) -> State:
    state = State()
    for loss in losses:
        state.step += 50
        state.validated(loss, min_improvement)
    return state


def test_the_best_is_kept_and_small_improvements_do_not_count_as_such():
    state = _validated([20.0, 10.0, 9.99, 9.98, 11.0])
    assert (state.best_loss, state.best_step) == (9.98, 200)
    assert state.stale == 3
    assert (state.first_loss, state.last_loss, state.validated_step) == (20.0, 11.0, 250)
    assert _validated([20.0, 10.0, 9.99, 9.8]).stale == 0


def test_many_small_improvements_add_up_to_one():
    assert _validated([10.0, 9.95, 9.91, 9.89]).stale == 0


def test_a_state_comes_back_from_its_dictionary():
    state = _validated([20.0, 10.0])
    assert State(**state.as_dict()) == state


@pytest.mark.parametrize(
    ("settings", "minutes", "by", "words"),
    [
        (TrainSettings(), 1e6, None, ""),
        (TrainSettings(patience=4), 0, None, ""),
        (
            TrainSettings(patience=3, min_improvement=0.01),
            0,
            "flat",
            "an improvement of 1.00%: the best is 9.98",
        ),
        (TrainSettings(max_steps=250), 0, "max_steps", "train.max_steps = 250"),
        (TrainSettings(max_minutes=2.5), 2.4, None, ""),
        (TrainSettings(max_minutes=2.5), 2.5, "max_minutes", "train.max_minutes = 2.5"),
    ],
)
def test_why_it_is_over(settings, minutes, by, words):
    found = verdict(_validated([20.0, 10.0, 9.99, 9.98, 11.0]), settings, minutes)
    assert (found and found.by) == by
    assert words in (found.reason if found else "")
