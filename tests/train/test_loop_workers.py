"""The loop with two workers, each a trainer in NumPy in a thread: they stop, roll back and save together."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.core.errors import EXIT_AGAIN
from components.train.termination import Termination
from tests.train.numpy_trainer import SETTINGS, NumpyTrainer, SilentBar, make_loop
from tests.train.trainings import assert_same_arrays, curve, saved_steps


class _Average:
    """Returns to each of two workers, each in a thread, the mean of their messages of a step."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(2, timeout=60)
        self._messages: dict[int, list[float]] = {}

    def of(self, worker: int):
        def average(message):
            self._messages[worker] = message
            self._barrier.wait()
            mean = (self._messages[0] + self._messages[1]) / 2
            self._barrier.wait()
            return mean

        return average


def _two_workers(out: Path, settings, on_calls=(lambda name: None,) * 2, **options):
    """Runs two workers to their ends; returns their loops, and what `run` returned or raised."""
    average, terminations = _Average(), [Termination(), Termination()]
    trainers = [NumpyTrainer(settings, workers=2, average=average.of(each), **options) for each in range(2)]
    loops = []
    for each in range(2):
        local_dir = out / f"local-{each}"
        local_dir.mkdir(parents=True, exist_ok=True)
        loops.append(
            make_loop(out, settings, trainers[each], terminations[each], read_only=each > 0, local_dir=local_dir)
        )
        trainers[each].on_call = lambda name, each=each: on_calls[each](trainers[each], terminations[each])
    ended = [None, None]

    def run(each: int) -> None:
        try:
            ended[each] = loops[each].run(SilentBar())
        except BaseException as error:
            ended[each] = error

    threads = [threading.Thread(target=run, args=(each,)) for each in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    return loops, ended


def _nothing(trainer, termination) -> None:
    pass


def _terminate_at_10(trainer, termination) -> None:
    if trainer.calls.count("step") >= 10:
        termination.requested = True


@pytest.mark.parametrize("asked", [0, 1])
def test_a_signal_to_one_worker_stops_all_at_the_same_step(whole, memory_path, asked):
    on_calls = [_nothing, _nothing]
    on_calls[asked] = _terminate_at_10
    loops, ended = _two_workers(memory_path, SETTINGS, on_calls)
    assert [error.code for error in ended] == [EXIT_AGAIN] * 2
    assert loops[0].state.step == loops[1].state.step == saved_steps(memory_path)[-1]
    assert 10 < loops[0].state.step < 20
    loops, ended = _two_workers(memory_path, SETTINGS, [_nothing] * 2)
    assert [reason.kind for reason in ended] == ["max_steps"] * 2
    _assert_same_arrays_and_curve(whole, memory_path)


def _assert_same_arrays_and_curve(whole: Path, out: Path) -> None:
    assert curve(whole)[-1] == curve(out / "local-0")[-1] == curve(out / "local-1")[-1]
    assert_same_arrays(whole, out)


def test_workers_end_roll_back_and_save_together(memory_path, monkeypatch):
    settings = replace(SETTINGS, max_minutes=1, eval_every_steps=1000, max_steps=100_000, log_every_steps=5)
    now_s = [0.0]
    monkeypatch.setattr("components.artifacts.metrics_log.time", SimpleNamespace(monotonic=lambda: now_s[0]))

    def a_minute_passes_at_step_60(trainer, termination) -> None:
        if trainer.calls.count("step") >= 60:
            now_s[0] = 61.0

    loops, ended = _two_workers(memory_path, settings, [a_minute_passes_at_step_60, _nothing], nan_steps={17: 1})
    assert [reason.kind for reason in ended] == ["max_minutes"] * 2
    assert loops[0].state.step == loops[1].state.step == saved_steps(memory_path)[-1]
    assert loops[0].state.rollbacks == loops[1].state.rollbacks
    assert len(loops[0].state.rollbacks) == 1
