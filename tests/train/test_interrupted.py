"""Trainings that are stopped, killed and damaged: they end as if nothing had been."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from components import storage
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

_LONG = [
    *BINDINGS,
    "train.checkpoint_every_s = 0.05",
    "train.max_steps = 140",
    "train.eval_every_steps = 40",
    "train.log_every_steps = 3",
]
_KILLS = 10
_KILLED_IN_START_UP = (1, 3, 6, 8)


def test_ten_kills_at_random_moments_change_nothing(data, nursery, tmp_path):
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    assert nursery.run(*command(data, whole, _LONG))[0] == 0
    moments = random.Random(4)
    steps = sorted(moments.sample(range(1, 130), _KILLS))
    signals = moments.sample([signal.SIGTERM, signal.SIGKILL] * (_KILLS // 2), _KILLS)
    codes = []
    for number, (step, kill) in enumerate(zip(steps, signals, strict=True)):
        pid = nursery.start(*command(data, torn, _LONG))
        if number in _KILLED_IN_START_UP:
            time.sleep(moments.uniform(0, 2))
        else:
            nursery.wait_until(lambda step=step: last_step(torn) >= step)
            time.sleep(moments.uniform(0, 0.03))
        os.kill(pid, kill)
        start = time.monotonic()
        code = nursery.wait()
        assert time.monotonic() - start < 20
        codes.append(code)
        # Before the handler is there, nothing is lost by dying at once.
        allowed = {75, -kill} if number in _KILLED_IN_START_UP else {75 if kill == signal.SIGTERM else -kill}
        assert code in allowed, (number, nursery.stderr())
    assert codes.count(75) >= 2
    assert codes.count(-signal.SIGKILL) >= 4
    code, said = nursery.run(*command(data, torn, _LONG, "--resume"))
    assert code == 0, said
    assert_same(whole, torn)
    assert run_json(torn)["restarts"] >= 5
    assert len(saved_steps(torn)) == 2
    assert not list(torn.rglob(".*.partial"))


@pytest.fixture(scope="module")
def stopped(data, nursery, tmp_path_factory) -> Path:
    """A training that SIGTERM has stopped between its first steps and its last."""
    out = tmp_path_factory.mktemp("stopped") / "out"
    pid = nursery.start(*command(data, out))
    nursery.wait_until(lambda: last_step(out) >= 10)
    os.kill(pid, signal.SIGTERM)
    assert nursery.wait() == 75
    assert f"saved at step {saved_steps(out)[-1]}; the same command goes on" in nursery.stderr()
    assert run_json(out)["status"] == "running"
    return out


@pytest.fixture
def half_done(stopped, tmp_path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(stopped, tmp_path / "out"))


def test_a_stopped_training_has_its_whole_configuration(half_done, undisturbed):
    name = "operative_config.gin"
    assert (half_done / name).read_text() == (undisturbed / name).read_text()


def test_a_torn_checkpoint_is_passed_over_and_the_log_says_so(half_done, undisturbed, data, nursery):
    older, newest = saved_steps(half_done)
    path = Path(checkpoint(half_done, newest))
    os.truncate(path, path.stat().st_size // 2)
    code, said = nursery.run(*command(data, half_done))
    assert code == 0
    assert f"step-{newest:08d}.ckpt is damaged" in said
    assert "bytes, expected" in said
    assert f"going on from step-{older:08d}.ckpt" in said
    assert f"goes on from step {older}" in said
    assert_same(undisturbed, half_done)


def test_what_was_asked_for_and_is_missing_is_an_error(half_done, undisturbed, data, nursery, tmp_path, refused):
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
    assert nursery.run(*command(data, half_done, BINDINGS, "--restart"))[0] == 0
    assert_same(undisturbed, half_done)


def test_checkpoints_without_a_record_are_not_overwritten(undisturbed, data, tmp_path, refused):
    out = tmp_path / "out"
    storage.upload_tree(undisturbed / "checkpoints", str(out / "checkpoints"))
    assert "has checkpoints but no run.json" in refused(*command(data, out))
    assert saved_steps(out) == saved_steps(undisturbed)


def test_a_full_disk_is_one_line_and_the_checkpoint_before_stays(half_done, data, nursery):
    """The limit lets the curves and TensorBoard's files through, and no checkpoint."""
    before = saved_steps(half_done)
    assert Path(checkpoint(half_done, before[0])).stat().st_size > 60_000
    code, said = nursery.run(*command(data, half_done), file_bytes=60_000)
    assert code == 1
    lines = [line for line in said.splitlines() if line.startswith("luthier: ")]
    assert len(lines) == 1
    assert "cannot save the checkpoint of step" in lines[0]
    assert "File too large; the checkpoints from before are whole" in lines[0]
    assert "Traceback" not in said
    assert saved_steps(half_done) == before
    assert run_json(half_done)["status"] == "failed"


def test_on_gs_it_goes_on_from_the_checkpoint_too(undisturbed, data, nursery, gcs):
    out, often = f"{gcs.bucket()}/runs/string-harmonic", [*BINDINGS, "train.checkpoint_every_s = 0.1"]
    endpoint = {"STORAGE_EMULATOR_HOST": gcs.endpoint}
    pid = nursery.start(*command(data, out, often), **endpoint)
    nursery.wait_until(lambda: max(saved_steps(out), default=0) >= 3)
    os.kill(pid, signal.SIGTERM)
    assert nursery.wait() == 75
    newest = checkpoint(out, saved_steps(out)[-1])
    storage.write_bytes(newest, storage.read_bytes(newest)[:-1])
    code, said = nursery.run(*command(data, out, often), **endpoint)
    assert code == 0
    assert "is damaged" in said
    assert_same(undisturbed, out)
    assert last_step(out) == STEPS
    assert run_json(out)["restarts"] == 1
    assert len(saved_steps(out)) == 2
