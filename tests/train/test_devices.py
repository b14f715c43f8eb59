"""Trainings on several devices and by several workers: the same curve as on one, and all end together."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from components.core.errors import InputError, StepError
from components.train.workers import Workers
from tests.ports import free_port
from tests.train.nursery import Nursery
from tests.train.trainings import BINDINGS, STEPS, command, curve, last_step, run_json, saved_steps

# With small steps, as rounding grows from step to step.
_GENTLE = [*BINDINGS, "train.learning_rate = 1e-3"]
_ENDLESS = [*_GENTLE, "train.max_steps = 100000", "train.log_every_steps = 1"]


@pytest.fixture(scope="module")
def peer(tmp_path_factory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("peer") / "stderr") as started:
        yield started


@pytest.fixture(scope="module")
def alone(data, nursery, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "out"
    code, said = nursery.run(*command(data, out, _GENTLE))
    assert code == 0, said
    return out


def _start(workers: list[Nursery], arguments: list[str]) -> None:
    hosts = ",".join(f"127.0.0.1:{free_port()}" for _ in workers)
    for index, worker in enumerate(workers):
        worker.start(*arguments, LUTHIER_WORKER_HOSTS=hosts, JOB_COMPLETION_INDEX=str(index))


def _assert_close(one: Path, other: Path) -> None:
    left, right = curve(one), curve(other)
    assert [line[:2] for line in left] == [line[:2] for line in right]
    losses = np.array([[line[2] for line in each] for each in (left, right)])
    early = sum(step <= 10 for step, *_ in left)
    assert early >= 3
    np.testing.assert_allclose(losses[0, :early], losses[1, :early], rtol=2e-5)
    np.testing.assert_allclose(losses[0], losses[1], rtol=5e-3)


def test_two_devices_learn_what_one_does(alone, data, nursery, tmp_path):
    code, said = nursery.run(*command(data, tmp_path, _GENTLE), before="two_devices")
    assert code == 0, said
    assert "training on 2 devices" in said
    _assert_close(alone, tmp_path)


def test_two_workers_learn_what_one_does_and_one_of_them_writes(alone, data, nursery, peer, tmp_path):
    workers = [nursery, peer]
    _start(workers, command(data, tmp_path, _GENTLE))
    assert [each.wait() for each in workers] == [0, 0], [each.stderr() for each in workers]
    _assert_close(alone, tmp_path)
    assert run_json(tmp_path)["steps"] == STEPS
    assert len(list((tmp_path / "summaries").glob("events.*"))) == 1
    assert saved_steps(tmp_path)[-1] == STEPS


def test_workers_stop_together_by_a_signal_or_a_death_and_resume(data, nursery, peer, tmp_path):
    """A signal to the other worker is test_loop's."""
    workers = [nursery, peer]
    _start(workers, command(data, tmp_path, _ENDLESS))
    nursery.wait_until(lambda: last_step(tmp_path) >= 10)
    os.kill(peer.pid, signal.SIGTERM)
    told = last_step(tmp_path)
    assert [each.wait() for each in workers] == [75, 75], [each.stderr() for each in workers]
    step = saved_steps(tmp_path)[-1]
    assert step <= told + 20
    assert all(f"saved a checkpoint at step {step}; run the same" in each.stderr() for each in workers)
    _start(workers, command(data, tmp_path, _ENDLESS))
    nursery.wait_until(lambda: saved_steps(tmp_path)[-1] >= step + 6)
    assert f"resumes at step {step}" in nursery.stderr()
    nursery.kill()
    assert peer.wait() == 75
    assert "another worker is gone" in peer.stderr()
    assert "Traceback" not in peer.stderr()


@pytest.mark.parametrize("index", [0, 1])
def test_any_worker_whose_peer_died_exits_with_the_code_to_run_again(caplog, index):
    from components.synths.ddsp_imports import tf
    from components.train.devices import exit_if_peer_died

    with pytest.raises(SystemExit) as ended, exit_if_peer_died(Workers(("a:1", "b:2"), index)):
        raise tf.errors.UnavailableError(None, None, "connection reset by peer")
    assert ended.value.code == 75
    assert f"worker {index} of 2: another worker is gone (UnavailableError)" in caplog.text
    with pytest.raises(tf.errors.UnavailableError), exit_if_peer_died(None):
        raise tf.errors.UnavailableError(None, None, "not a peer's")


def test_a_worker_that_waits_for_the_others_can_be_stopped(data, peer, tmp_path):
    hosts = f"127.0.0.1:{free_port()},127.0.0.1:{free_port()}"
    pid = peer.start(*command(data, tmp_path), LUTHIER_WORKER_HOSTS=hosts, JOB_COMPLETION_INDEX="1")
    peer.wait_until(lambda: "waiting for the other workers" in peer.stderr())
    time.sleep(1)
    os.kill(pid, signal.SIGTERM)
    assert peer.wait() == 75
    assert "Traceback" not in peer.stderr()


def test_a_batch_that_cannot_be_split_is_refused():
    from components.train.devices import Devices

    strategy = SimpleNamespace(num_replicas_in_sync=2, extended=SimpleNamespace(worker_devices=("a", "b")))
    with pytest.raises(InputError, match=r"batch_size is 3: expected a multiple of 2, the number of devices .*1 work"):
        Devices(strategy).check(3)
    Devices(strategy).check(4)


def test_several_synths_and_several_workers_are_refused():
    from components.train.devices import assign_devices

    with pytest.raises(InputError, match="got 2 synths for 2 workers"):
        assign_devices(2, Workers(("127.0.0.1:1", "127.0.0.1:2"), 0))


def test_a_device_whose_memory_is_full_ends_a_training_with_one_line():
    from components.config.settings import TrainSettings
    from components.synths.ddsp_imports import tf
    from components.train.devices import full_memory_as_step_error

    with pytest.raises(StepError) as ended, full_memory_as_step_error("string-harmonic", TrainSettings(batch_size=512)):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\nof shape [512,64000]")
    assert str(ended.value) == (
        "string-harmonic: the memory of the device is full with train.batch_size = 512 and train.crop_samples = 64000: "
        "try fewer or shorter examples, or end what else uses it"
    )
