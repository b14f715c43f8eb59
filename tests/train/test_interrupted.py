"""Real trainings that are stopped, killed and damaged: they end as if nothing had been. See test_loop for the rest."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from components import storage
from components.artifacts.run_record import RunRecord
from components.train.start import TrainingPlan
from tests.train.trainings import (
    BINDINGS,
    STEPS,
    assert_same,
    checkpoint,
    command,
    curve,
    last_step,
    run_json,
    saved_steps,
)


@pytest.fixture(scope="module")
def stopped(data, nursery, tmp_path_factory) -> Path:
    """A training that SIGTERM has stopped between its first steps and its last."""
    out = tmp_path_factory.mktemp("stopped") / "out"
    code, _ = nursery.run(*command(data, out), before="terminated_after_12_steps")
    assert code == 75
    assert saved_steps(out)[-1] == 13
    assert f"saved a checkpoint at step {saved_steps(out)[-1]}; run the same command again" in nursery.stderr()
    assert run_json(out)["status"] == "running"
    return out


@pytest.fixture
def half_done(stopped, tmp_path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(stopped, tmp_path / "out"))


def test_a_full_disk_is_one_line_and_the_checkpoint_before_stays(half_done, data, nursery):
    """The limit lets the curves and TensorBoard's files through, and no checkpoint."""
    before = saved_steps(half_done)
    assert Path(checkpoint(half_done, before[-1])).stat().st_size > 60_000
    code, said = nursery.run(*command(data, half_done), file_bytes=60_000)
    assert code == 1
    [line] = [line for line in said.splitlines() if line.startswith("luthier: ")]
    assert "cannot save the checkpoint of step" in line and "File too large" in line
    assert "Traceback" not in said
    assert saved_steps(half_done) == before
    assert run_json(half_done)["status"] == "failed"


def test_stopped_by_sigterm_it_ends_as_if_nothing_had_been(half_done, undisturbed, data, nursery):
    step = saved_steps(half_done)[-1]
    code, said = nursery.run(*command(data, half_done, BINDINGS, "--resume"))
    assert code == 0, said
    assert f"string-harmonic resumes at step {step}" in said
    assert_same(undisturbed, half_done)
    assert run_json(half_done)["restarts"] == 1
    assert not list(half_done.rglob(".*.partial"))


def test_a_stopped_training_has_its_whole_configuration(half_done, undisturbed):
    name = "operative_config.gin"
    assert (half_done / name).read_text() == (undisturbed / name).read_text()


def test_what_should_be_resumed_and_is_missing_is_an_error(half_done, data, tmp_path, refused):
    for step in saved_steps(half_done):
        Path(checkpoint(half_done, step)).write_bytes(b"not a checkpoint")
    line = refused(*command(data, half_done))
    assert "none of the checkpoints" in line
    assert "--restart" in line
    storage.delete_tree(storage.join(str(half_done), "checkpoints"))
    before = curve(half_done)
    assert "without any checkpoint to resume from" in refused(*command(data, half_done))
    assert curve(half_done) == before
    assert "no training to resume" in refused(*command(data, tmp_path / "nothing", BINDINGS, "--resume"))
    assert "exclude each other" in refused(*command(data, half_done, BINDINGS, "--resume", "--restart"))


def test_a_training_of_a_newer_release_is_left_as_it_is(half_done, data, refused):
    path = Path(checkpoint(half_done, saved_steps(half_done)[-1]))
    path.write_bytes(path.read_bytes().replace(b"luthier-checkpoint-1", b"luthier-checkpoint-2"))
    (half_done / "evaluation.json").write_text("{}")
    before = {each: each.read_bytes() for each in half_done.rglob("*") if each.is_file()}
    line = refused(*command(data, half_done))
    assert f"the checkpoint '{path}' is of a newer release of Luthier" in line and "--restart" in line
    assert {each: each.read_bytes() for each in half_done.rglob("*") if each.is_file()} == before


def test_restart_deletes_the_training_but_nothing_else(half_done, data, tmp_path):
    found = RunRecord.read(str(half_done / "run.json"))
    record = replace(found, started="2100-01-01T00:00:00+00:00")
    (half_done / "notes.txt").write_text("mine")
    assert TrainingPlan.of(record, None, str(half_done), "continue").record.started == found.started
    reading = TrainingPlan.of(record, None, str(half_done), "restart", read_only=True)
    assert saved_steps(half_done) and reading.record == record
    assert TrainingPlan.of(record, None, str(half_done), "restart").record == record
    assert [path.name for path in half_done.rglob("*") if path.is_file()] == ["notes.txt"]
    # A directory without a training is left alone.
    (tmp_path / "other" / "model").mkdir(parents=True)
    (tmp_path / "other" / "model" / "mine.txt").write_text("mine")
    TrainingPlan.of(record, None, str(tmp_path / "other"), "restart")
    assert (tmp_path / "other" / "model" / "mine.txt").exists()


def test_checkpoints_without_a_record_are_not_overwritten(undisturbed, data, tmp_path, refused):
    out = tmp_path / "out"
    storage.upload_tree(undisturbed / "checkpoints", str(out / "checkpoints"))
    assert "has checkpoints but no run.json" in refused(*command(data, out))
    assert saved_steps(out) == saved_steps(undisturbed)


def test_killed_on_gs_it_resumes_from_the_checkpoint_before_a_damaged_one(undisturbed, data, nursery, gcs):
    out, often = f"{gcs.bucket()}/runs/string-harmonic", [*BINDINGS, "train.checkpoint_every_s = 0.1"]
    endpoint = {"STORAGE_EMULATOR_HOST": gcs.endpoint}
    nursery.start(*command(data, out, often), before="held_after_25_steps", **endpoint)
    nursery.wait_until(lambda: len(saved_steps(out)) == 2 and saved_steps(out)[-1] >= 3)
    nursery.kill()
    *_, older, newest = saved_steps(out)
    storage.write_bytes(checkpoint(out, newest), storage.read_bytes(checkpoint(out, newest))[:-1])
    code, said = nursery.run(*command(data, out, often), **endpoint)
    assert code == 0
    assert f"step-{newest:08d}.ckpt is damaged" in said
    assert f"resumes at step {older}" in said
    assert_same(undisturbed, out)
    assert last_step(out) == STEPS
    assert run_json(out)["restarts"] == 1
    assert len(saved_steps(out)) == 2


def test_a_nan_is_undone_and_the_rate_is_halved(data, nursery, tmp_path):
    seldom = [*BINDINGS, "train.checkpoint_every_s = 1000", "train.log_every_steps = 5"]
    code, said = nursery.run(*command(data, tmp_path, seldom), before="nan_once")
    assert code == 0, said
    assert "diverged at step 20: a loss or a gradient is not a number; rolled back to step 0 with half" in said
    record = run_json(tmp_path)
    assert record["steps"] == STEPS
    [undone] = record["rollbacks"]
    assert (undone["step"], undone["to_step"], undone["learning_rate"]) == (20, 0, pytest.approx(0.0035))
    assert [step for step, split, _ in curve(tmp_path) if split == "train"] == [1, 5, 10, 15, 20, 25, 30]
    losses = [loss for *_, loss in curve(tmp_path)]
    assert losses[-1] < losses[0]
