"""The loop with a trainer in NumPy that diverges or loses its pitch: it goes back, or begins again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components import storage
from components.artifacts.metrics_log import read_lines
from components.core.errors import StepError
from components.train.checkpoints import Checkpoints, decode
from tests.train.numpy_trainer import SELDOM, SETTINGS, KilledError, NumpyTrainer, SilentBar, make_loop, run_to_end
from tests.train.trainings import assert_same_arrays, checkpoint, curve, saved_steps


def test_a_nan_is_undone_and_the_rate_is_halved(whole, memory_path, caplog):
    settings = replace(SELDOM, log_every_steps=5)
    loop = make_loop(memory_path, settings, NumpyTrainer(settings, nan_steps={17: 1}))
    loop.run(SilentBar())
    assert "diverged at step 20: a loss or a gradient is not a number; rolled back to step 0 with half" in caplog.text
    assert (loop.state.step, loop.state.restarts) == (30, 0)
    [undone] = loop.state.rollbacks
    assert (undone["step"], undone["to_step"]) == (20, 0)
    lines = read_lines(memory_path / "metrics.jsonl")
    rates = [line["learning_rate"] for line in lines if line["split"] == "train"]
    before = [line["learning_rate"] for line in read_lines(whole / "metrics.jsonl") if line["split"] == "train"]
    assert rates[0] == pytest.approx(before[0] / 2, rel=1e-4)
    assert [line["step"] for line in lines if line["split"] == "train"] == [1, 5, 10, 15, 20, 25, 30]
    assert np.isfinite([line["spectral_loss"] for line in lines]).all()
    # A process that resumes it keeps the halved rate.
    assert make_loop(memory_path, settings, trainer := NumpyTrainer(settings)).state.rollbacks == [undone]
    assert trainer.learning_rate(0) == settings.learning_rate / 2


class _HardNotes(NumpyTrainer):
    """A trainer whose training notes have ten times the loss of the held-out ones, and more at some of its steps."""

    steps = 0
    harder_steps = range(0)

    def step(self, loaded, message=None):
        self.steps += 1
        return super().step(loaded, message)

    def interval(self):
        found = super().interval()
        return found and replace(found, loss=found.loss * (10_000 if self.steps in self.harder_steps else 10))


def test_hard_training_notes_are_no_divergence_but_a_jump_of_their_loss_is(memory_path):
    """Weights that know other instruments can have a low loss on the held-out notes before the first step."""
    settings = replace(SELDOM, log_every_steps=5)
    loop = make_loop(memory_path / "hard", settings, _HardNotes(settings))
    loop.run(SilentBar())
    assert (loop.state.step, loop.state.rollbacks) == (30, [])
    trainer = _HardNotes(settings)
    trainer.harder_steps = range(8, 11)
    loop = make_loop(memory_path / "jump", settings, trainer)
    loop.run(SilentBar())
    [undone] = loop.state.rollbacks
    assert undone["step"] == 10 and undone["reason"].endswith("4 times the one at first")


def test_a_diverged_training_is_never_saved(memory_path):
    """The NaN is found when a checkpoint is due, before the interval ends."""
    settings = replace(SETTINGS, log_every_steps=1000)
    loop = make_loop(memory_path, settings, NumpyTrainer(settings, nan_steps={17: 1}))
    loop.run(SilentBar())
    [undone] = loop.state.rollbacks
    assert (undone["step"], undone["to_step"]) == (18, 17)
    assert np.isfinite(Checkpoints(str(memory_path)).newest().arrays["weights"]).all()


def test_after_two_rollbacks_it_stops_with_the_whole_account_in_one_line(memory_path):
    settings = replace(SELDOM, log_every_steps=5)
    with pytest.raises(StepError) as failed:
        run_to_end(memory_path, settings, trainer=NumpyTrainer(settings, nan_steps={17: 1_000}))
    line = str(failed.value)
    assert "diverged at step 20 (a loss or a gradient is not a number)" in line
    assert "half the learning rate 2 times (at step 20: " in line
    assert "try a lower train.learning_rate" in line
    assert "\n" not in line
    assert saved_steps(memory_path) == [0]
    # The two tries are in the checkpoint, so that a process that resumes it does not begin with two more.
    assert len(decode(storage.read_bytes(checkpoint(memory_path, 0))).state["rollbacks"]) == 2


_LONG = replace(SETTINGS, max_steps=400, eval_every_steps=50, decay_steps=400, checkpoint_every_s=1000.0)


def _without_pitch(seeds, **options) -> NumpyTrainer:
    return NumpyTrainer(_LONG, deaf_seeds=seeds, **options)


def test_a_training_that_has_lost_its_pitch_begins_again_with_another_seed(memory_path, caplog):
    loop = make_loop(memory_path / "lost", _LONG, _without_pitch({0}))
    loop.run(SilentBar())
    (line,) = [record.message for record in caplog.records if "begins again" in record.message]
    assert line == (
        "step 150: the model has lost its pitch: 0% of its sound repeats at the pitch, 90% of the held-out notes; "
        "the training begins again with seed 1 (attempt 2 of 3)"
    )
    assert [(each["step"], each["seed"]) for each in loop.state.attempts] == [(150, 0)]
    # From there on it is the training with that seed.
    other = make_loop(memory_path / "other", replace(_LONG, seed=1))
    other.run(SilentBar())
    assert_same_arrays(memory_path / "lost", memory_path / "other")
    assert curve(memory_path / "lost") == curve(memory_path / "other")
    assert loop.state.best_loss == other.state.best_loss


def test_a_third_attempt_is_the_last_and_goes_on_with_a_warning(memory_path, caplog):
    loop = make_loop(memory_path / "lost", _LONG, _without_pitch({0, 1, 2}))
    assert loop.run(SilentBar()).kind == "max_steps"
    assert [each["seed"] for each in loop.state.attempts] == [0, 1]
    assert loop.state.seed == 2
    said = [record.message for record in caplog.records if "lost its pitch" in record.message]
    assert len(said) == 3
    assert "the training goes on" in said[-1]


@pytest.mark.parametrize("number", [1, 149, 151, 260])
def test_killed_in_any_attempt_it_ends_as_if_nothing_had_been(memory_path, number):
    seeds = {0, 1}
    make_loop(memory_path / "whole", _LONG, _without_pitch(seeds)).run(SilentBar())
    steps = 0

    def killed(name: str) -> None:
        nonlocal steps
        steps += name == "step"
        if steps == number:
            raise KilledError

    often = replace(_LONG, checkpoint_every_s=0.0)
    with pytest.raises(KilledError):
        make_loop(memory_path / "killed", often, _without_pitch(seeds, on_call=killed)).run(SilentBar())
    loop = make_loop(memory_path / "killed", _LONG, _without_pitch(seeds))
    loop.run(SilentBar())
    assert [each["seed"] for each in loop.state.attempts] == [0, 1]
    assert_same_arrays(memory_path / "whole", memory_path / "killed")
    assert curve(memory_path / "whole") == curve(memory_path / "killed")
