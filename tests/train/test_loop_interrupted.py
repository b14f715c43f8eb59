"""The loop with a trainer in NumPy, killed, stopped by a signal, with a damaged checkpoint or a full disk."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from components import storage
from components.core.errors import EXIT_AGAIN, StepError
from components.train.checkpoints import decode
from components.train.termination import Termination
from tests.train.numpy_trainer import SELDOM, SETTINGS, KilledError, NumpyTrainer, SilentBar, make_loop, run_to_end
from tests.train.trainings import assert_same_end, checkpoint, last_step, saved_steps


@pytest.mark.parametrize("seconds", [0.0, 1000.0])
def test_a_training_killed_anywhere_ends_as_if_nothing_had_been(whole, memory_path, seconds):
    """It is killed before each single call of its trainer in turn: steps, validations, checkpoints, restores."""
    settings = replace(SETTINGS, checkpoint_every_s=seconds)
    reference = NumpyTrainer(settings)
    run_to_end(memory_path / "reference", settings, trainer=reference)
    for number in range(1, len(reference.calls)):
        out = memory_path / str(number)
        trainer = NumpyTrainer(settings)

        def kill(name: str, trainer=trainer, number=number) -> None:
            if len(trainer.calls) > number:
                raise KilledError

        trainer.on_call = kill
        with pytest.raises(KilledError):
            run_to_end(out, settings, trainer=trainer)
        resumes = bool(saved_steps(out))
        loop = make_loop(out, settings)
        loop.run(SilentBar())
        assert loop.state.restarts == int(resumes)
        assert_same_end(whole, out)


def test_processes_killed_at_random_moments_lose_nothing(nursery, memory_path):
    """Real processes and signals, ten of them; the trainer alone is not real."""
    whole, torn = memory_path / "whole", memory_path / "torn"
    long = ("140", "0.003")
    assert nursery.run_function("tests.train.numpy_trainer:main", whole, *long)[0] == 0
    moments = random.Random(4)
    signals = moments.sample([signal.SIGTERM, signal.SIGKILL] * 5, 10)
    codes = []
    for step, kill in zip(sorted(moments.sample(range(1, 130), 10)), signals, strict=True):
        (torn / "started").unlink(missing_ok=True)
        pid = nursery.start_function("tests.train.numpy_trainer:main", torn, *long, step + 10)
        nursery.wait_until(lambda step=step: (torn / "started").exists() and last_step(torn) >= step)
        time.sleep(moments.uniform(0, 0.01))
        os.kill(pid, kill)
        codes.append(nursery.wait())
        assert codes[-1] == (EXIT_AGAIN if kill == signal.SIGTERM else -kill), nursery.stderr()
    assert codes.count(EXIT_AGAIN) == codes.count(-signal.SIGKILL) == 5
    assert nursery.run_function("tests.train.numpy_trainer:main", torn, *long)[0] == 0
    assert_same_end(whole, torn)
    assert decode(storage.read_bytes(checkpoint(torn, 140))).state["restarts"] >= 5
    assert len(saved_steps(torn)) == 2
    assert not list(torn.rglob(".*.partial"))


@pytest.mark.parametrize("call", ["step", "validate", "arrays"])
@pytest.mark.parametrize("number", [1, 2])
def test_sigterm_saves_and_exits_with_the_code_to_run_again(whole, memory_path, caplog, call, number):
    termination, trainer = Termination(), NumpyTrainer()

    def terminate(name: str) -> None:
        if name == call and trainer.calls.count(call) == number:
            os.kill(os.getpid(), signal.SIGTERM)

    trainer.on_call = terminate
    with termination.caught(), termination.polled(), pytest.raises(SystemExit) as ended:
        run_to_end(memory_path, trainer=trainer, termination=termination)
    assert ended.value.code == EXIT_AGAIN
    step = saved_steps(memory_path)[-1]
    assert f"saved a checkpoint at step {step}; run the same command again to resume" in caplog.text
    assert step <= 16
    loop = make_loop(memory_path)
    loop.run(SilentBar())
    assert loop.state.restarts == 1
    assert_same_end(whole, memory_path)


def test_a_signal_that_nobody_polls_for_ends_the_process_at_once():
    termination = Termination()
    with termination.caught(), pytest.raises(SystemExit) as ended:
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == EXIT_AGAIN and termination.requested


def test_a_second_ctrl_c_does_not_wait():
    termination = Termination()
    with termination.caught(), termination.polled(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        assert termination.requested
        os.kill(os.getpid(), signal.SIGINT)


def test_a_damaged_checkpoint_is_passed_over_and_the_log_says_so(whole, memory_path, caplog):
    trainer = NumpyTrainer()

    def kill(name: str) -> None:
        if trainer.calls.count("step") == 12:
            raise KilledError

    trainer.on_call = kill
    with pytest.raises(KilledError):
        run_to_end(memory_path, trainer=trainer)
    older, newest = saved_steps(memory_path)
    path = Path(checkpoint(memory_path, newest))
    os.truncate(path, path.stat().st_size // 2)
    loop = make_loop(memory_path)
    assert loop.state.step == older
    assert f"step-{newest:08d}.ckpt is damaged" in caplog.text
    assert "bytes, expected" in caplog.text
    assert f"resuming from step-{older:08d}.ckpt" in caplog.text
    loop.run(SilentBar())
    assert_same_end(whole, memory_path)


def test_checkpoints_come_as_often_as_the_settings_say(memory_path):
    trainer = NumpyTrainer(SELDOM)
    run_to_end(memory_path, SELDOM, trainer=trainer)
    assert saved_steps(memory_path) == [0, 30]
    assert trainer.calls.count("arrays") == 2


def test_a_full_disk_ends_it_and_the_checkpoint_before_stays(memory_path):
    """RLIMIT_FSIZE stands for the disk: it lets the metrics log through, and no checkpoint."""
    import resource

    trainer = NumpyTrainer(size=20_000)
    before, saved = resource.getrlimit(resource.RLIMIT_FSIZE), []

    def fill(name: str) -> None:
        if trainer.calls.count("step") == 12 and not saved:
            saved.extend(saved_steps(memory_path))
            resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))

    trainer.on_call = fill
    try:
        with pytest.raises(StepError, match=r"cannot save the checkpoint of step 12 .*: File too large; the earlier"):
            run_to_end(memory_path, trainer=trainer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert saved_steps(memory_path) == saved == [10, 11]
