"""The loop with a trainer in NumPy: what is logged, validated and counted, and when it stops."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from prometheus_client import REGISTRY

from components.artifacts.metrics_log import read_lines
from components.train.checkpoints import Checkpoints
from tests.train.numpy_trainer import (
    SETTINGS,
    NumpyTrainer,
    RecordedSummaries,
    SilentBar,
    dataset,
    make_loop,
    run_to_end,
)
from tests.train.trainings import curve


def test_steps_and_validations_are_logged(whole):
    lines = read_lines(whole / "metrics.jsonl")
    assert [(line["step"], line["split"]) for line in lines] == [
        (0, "valid"),
        (1, "train"),
        (10, "train"),
        (15, "valid"),
        (20, "train"),
        (30, "train"),
        (30, "valid"),
    ]
    assert lines[-1]["spectral_loss"] < 0.8 * lines[0]["spectral_loss"]
    assert lines[1]["learning_rate"] > lines[5]["learning_rate"] > 0
    assert all(line["steps_per_s"] > 0 and line["input_wait_s"] >= 0 for line in lines if line["split"] == "train")


def test_the_result_is_the_best_validation_and_the_reason(memory_path):
    loop = make_loop(memory_path)
    reason = loop.run(SilentBar())
    assert (reason.kind, reason.text) == ("max_steps", "train.max_steps = 30")
    assert (loop.state.step, loop.state.examples, loop.state.restarts) == (30, 60, 0)
    assert loop.state.best_step == 30
    np.testing.assert_array_equal(loop.best[0], Checkpoints(str(memory_path)).newest().best_weights[0])
    assert 0 < loop.state.seconds < 20


def test_summaries_get_every_line_and_now_and_then_a_note(memory_path):
    summaries = RecordedSummaries()
    make_loop(memory_path, summaries=summaries).run(SilentBar())
    assert [line["step"] for line in summaries.lines] == [0, 1, 10, 15, 20, 30, 30]
    assert set(summaries.sounds) == {0, 30}
    assert set(summaries.sounds[0]) == {"held-out/original", "held-out/resynthesis"}
    assert summaries.sounds[0]["held-out/original"].shape == (4096,)


def test_the_bar_follows_the_steps_and_shows_the_losses(memory_path):
    bar = SilentBar()
    make_loop(memory_path).run(bar)
    assert bar.done == 30
    assert bar.notes[0] == "first steps"
    assert bar.notes[-1].startswith("loss ") and ", held out " in bar.notes[-1]


def test_prometheus_has_the_numbers(memory_path):
    (memory_path / "prometheus").mkdir()
    loop = make_loop(memory_path / "prometheus")
    loop.run(SilentBar())
    labels = {"family": "string", "synth": "numpy-prometheus"}

    def value(name: str, **more: str) -> float:
        found = REGISTRY.get_sample_value(f"luthier_train_{name}", {**labels, **more})
        assert found is not None, name
        return found

    assert (value("step"), value("max_steps"), value("traces")) == (30, 30, 1)
    assert value("loss", split="valid") == pytest.approx(loop.state.last_loss)
    assert 0 < value("loss", split="train") < 20
    assert value("learning_rate") == pytest.approx(0.025)
    assert (value("examples_total"), value("audio_seconds_total")) == (60, pytest.approx(60 * 2048 / 16_000))
    assert (value("step_seconds_count"), value("checkpoint_seconds_count")) == (30, pytest.approx(32, abs=2))
    assert value("input_wait_seconds_total") >= 0
    assert 0 <= value("checkpoint_age_seconds") < 20
    assert value("checkpoint_bytes") > 500
    assert (value("restarts"), value("rollbacks")) == (0, 0)


def test_a_flat_curve_ends_it(memory_path):
    settings = replace(SETTINGS, patience=1, min_improvement=0.999, eval_every_steps=3)
    loop = make_loop(memory_path, settings)
    reason = loop.run(SilentBar())
    assert (reason.kind, loop.state.step) == ("flat", 3)
    assert "1 validation without an improvement of 99.90%" in reason.text


def test_out_of_time_it_ends_with_a_validation_at_whatever_step_that_is(memory_path):
    settings = replace(SETTINGS, max_minutes=0.1 / 60, eval_every_steps=1000, max_steps=100_000)
    loop = make_loop(memory_path, settings, NumpyTrainer(settings, on_call=lambda name: time.sleep(0.001)))
    bar = SilentBar()
    reason = loop.run(bar)
    assert "ends within 0 s" in bar.notes  # the progress counts the time left by it
    assert (reason.kind, reason.text) == ("max_minutes", "train.max_minutes = 0.00166667")
    assert 1 < loop.state.step < 1000
    assert loop.state.validated_step == loop.state.step
    assert curve(memory_path)[-1][:2] == (loop.state.step, "valid")
    # The time of all processes counts: one that resumes it ends at once.
    resumed = make_loop(memory_path, settings)
    assert resumed.run(SilentBar()).kind == "max_minutes"
    assert resumed.state.step == loop.state.step


def test_every_note_is_validated_once_though_the_replicas_share_them(memory_path):
    one, two = NumpyTrainer(), NumpyTrainer(replicas=2)
    for name, trainer in (("one", one), ("two", two)):
        run_to_end(memory_path / name, trainer=trainer, notes=dataset(valid=3))
    assert (one.validated_groups[:3], two.validated_groups[:2]) == ([1, 1, 1], [2, 2])
    losses = [[loss for _, split, loss in curve(memory_path / name) if split == "valid"] for name in ("one", "two")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
