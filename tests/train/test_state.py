"""The rules by which a training ends, or has diverged."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from components.config.settings import TrainSettings
from components.core.errors import InputError
from components.train.divergence import Diverged, DivergenceCheck
from components.train.state import Interval, State, StepTiming, stop_reason
from components.train.unheard import SilentOrPitchless, check_heard


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
    assert State.of(state.as_dict()) == state


def test_a_state_of_another_release_is_said_in_one_line():
    with pytest.raises(InputError, match="checkpoint of step 7 is of another release of Luthier: its state has 'ema'"):
        State.of({"step": 7, "ema": 0.9})


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
    found = stop_reason(_validated([20.0, 10.0, 9.99, 9.98, 11.0]), settings, minutes)
    assert (found and found.kind) == by
    assert words in (found.text if found else "")


@pytest.mark.parametrize(
    ("loss", "finite", "says"),
    [(20.0, True, None), (79.0, True, None), (81.0, True, "above 80, 4 times"), (1.0, False, "not a number")],
)
def test_what_counts_as_divergence_of_steps(loss, finite, says):
    interval, check = Interval(steps=10, loss=loss, grad_norm=1.0, finite=finite), DivergenceCheck(4.0, first_steps=10)
    if says is None:
        check.check_interval(interval, step=20, first_loss=20.0)
    else:
        with pytest.raises(Diverged, match=says):
            check.check_interval(interval, step=20, first_loss=20.0)
    check.check_interval(None, 20, 20.0)


def test_the_losses_of_the_first_steps_are_usual_too():
    hard, check = Interval(steps=10, loss=50.0, grad_norm=1.0, finite=True), DivergenceCheck(4.0, first_steps=10)
    check.begin(100)
    check.check_interval(hard, step=110, first_loss=5.0)
    check.check_interval(replace(hard, loss=199.0), step=120, first_loss=5.0)
    check.begin(200)
    with pytest.raises(Diverged, match="the loss is 50, above 20"):
        check.check_interval(hard, step=211, first_loss=5.0)


def test_what_counts_as_divergence_of_a_validation():
    check = DivergenceCheck(4.0, first_steps=10)
    check.check_validation(19.0, best_loss=5.0)
    check.check_validation(19.0, best_loss=math.inf)
    with pytest.raises(Diverged, match="21, above 20, 4 times the best"):
        check.check_validation(21.0, best_loss=5.0)
    with pytest.raises(Diverged, match="not a number"):
        check.check_validation(math.nan, best_loss=5.0)


def test_step_timing_is_a_rate_once_there_was_a_step():
    timing = StepTiming()
    assert timing.as_metrics() == {}
    timing.add(0.5, 0.1)
    timing.add(0.3, 0.1)
    assert timing.as_metrics() == pytest.approx({"steps_per_s": 2.5, "input_wait_s": 0.2})


def test_a_silent_model_is_heard_and_silent_notes_are_not():
    quiet, fine = np.array([[-20.0, -45.0, 0.9, 0.9]]), np.array([[-20.0, -38.0, 0.9, 0.4], [-80.0, -120.0, 0.0, 0.0]])
    settings, state = TrainSettings(max_steps=400), State(step=100)
    assert check_heard(state, fine, settings) == ""
    assert check_heard(State(step=50, unheard=1), quiet, settings) == ""
    assert check_heard(state, quiet, settings) == ""
    assert (state.unheard, state.attempts) == (1, [])
    with pytest.raises(SilentOrPitchless, match="the model is silent: 25 dB below the held-out notes"):
        check_heard(state, quiet, settings)
    late = State(step=350, unheard=1)
    assert "silent" in check_heard(late, quiet, settings)
    assert check_heard(late, quiet, settings) == ""  # said once
    assert check_heard(late, fine, settings) == ""
    assert late.unheard == 0


def test_with_few_notes_later_weights_within_the_error_are_preferred():
    losses = [8.5, 9.4, 9.6, 9.3]
    few, many = State(), State()
    assert [few.validated(loss, 0.01, notes=1) for loss in losses] == [True, True, False, True]
    assert (few.best_loss, few.lowest_loss) == (9.3, 8.5)
    assert [many.validated(loss, 0.01, notes=64) for loss in losses] == [True, False, False, False]
    assert not State(lowest_loss=8.5).validated(9.2, 0.01, notes=9)
