"""The loop with a trainer in NumPy: what is logged, saved, resumed, rolled back, and when it stops."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY

from components import storage
from components.artifacts.metrics_log import read_lines
from components.core.errors import EXIT_AGAIN, StepError
from components.train.checkpoints import Checkpoints, decode
from components.train.termination import Termination
from tests.train.numpy_trainer import SETTINGS, NumpyTrainer, RecordedSummaries, SilentBar, dataset, make_loop
from tests.train.trainings import assert_same_arrays, checkpoint, curve, last_step, saved_steps

_SELDOM = replace(SETTINGS, checkpoint_every_s=1000.0)


class KilledError(Exception):
    """Stands for SIGKILL: nothing of the loop runs after it."""


_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A training that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole")
    make_loop(out).run(SilentBar())
    return out


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory if there is such a file system: every checkpoint is synced to the disk."""
    if not _MEMORY.is_dir():
        yield tmp_path
        return
    path = Path(tempfile.mkdtemp(prefix="luthier-test-", dir=_MEMORY))
    yield path
    shutil.rmtree(path)


def _run_to_end(out: Path, settings=SETTINGS, **options) -> None:
    make_loop(out, settings, **options).run(SilentBar())


def _assert_same(one: Path, other: Path) -> None:
    assert curve(one) == curve(other)
    assert saved_steps(one)[-1] == saved_steps(other)[-1]
    assert_same_arrays(one, other)


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


def test_the_result_is_the_best_validation_and_the_reason(tmp_path):
    loop = make_loop(tmp_path)
    reason = loop.run(SilentBar())
    assert (reason.kind, reason.text) == ("max_steps", "train.max_steps = 30")
    assert (loop.state.step, loop.state.examples, loop.state.restarts) == (30, 60, 0)
    assert loop.state.best_step == 30
    np.testing.assert_array_equal(loop.best[0], Checkpoints(str(tmp_path)).newest().best_weights[0])
    assert 0 < loop.state.seconds < 20


def test_summaries_get_every_line_and_now_and_then_a_note(tmp_path):
    summaries = RecordedSummaries()
    make_loop(tmp_path, summaries=summaries).run(SilentBar())
    assert [line["step"] for line in summaries.lines] == [0, 1, 10, 15, 20, 30, 30]
    assert set(summaries.sounds) == {0, 30}
    assert set(summaries.sounds[0]) == {"held-out/original", "held-out/resynthesis"}
    assert summaries.sounds[0]["held-out/original"].shape == (4096,)


def test_the_bar_follows_the_steps_and_shows_the_losses(tmp_path):
    bar = SilentBar()
    make_loop(tmp_path).run(bar)
    assert bar.done == 30
    assert bar.notes[0] == "first steps"
    assert bar.notes[-1].startswith("loss ") and ", held out " in bar.notes[-1]


def test_prometheus_has_the_numbers(tmp_path):
    (tmp_path / "prometheus").mkdir()
    loop = make_loop(tmp_path / "prometheus")
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


@pytest.mark.parametrize("seconds", [0.0, 1000.0])
def test_a_training_killed_anywhere_ends_as_if_nothing_had_been(whole, tmp_path, seconds):
    """It is killed before each single call of its trainer in turn: steps, validations, checkpoints, restores."""
    settings = replace(SETTINGS, checkpoint_every_s=seconds)
    reference = NumpyTrainer(settings)
    _run_to_end(tmp_path / "reference", settings, trainer=reference)
    for number in range(1, len(reference.calls)):
        out = tmp_path / str(number)
        trainer = NumpyTrainer(settings)

        def kill(name: str, trainer=trainer, number=number) -> None:
            if len(trainer.calls) > number:
                raise KilledError

        trainer.on_call = kill
        with pytest.raises(KilledError):
            _run_to_end(out, settings, trainer=trainer)
        resumes = bool(saved_steps(out))
        loop = make_loop(out, settings)
        loop.run(SilentBar())
        assert loop.state.restarts == int(resumes)
        _assert_same(whole, out)


def test_processes_killed_at_random_moments_lose_nothing(nursery, tmp_path):
    """Real processes and signals, ten of them; the trainer alone is not real."""
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    long = ("140", "0.003")
    assert nursery.run_function("tests.train.numpy_trainer:main", whole, *long)[0] == 0
    moments = random.Random(4)
    signals = moments.sample([signal.SIGTERM, signal.SIGKILL] * 5, 10)
    codes = []
    for step, kill in zip(sorted(moments.sample(range(1, 130), 10)), signals, strict=True):
        (torn / "started").unlink(missing_ok=True)
        pid = nursery.start_function("tests.train.numpy_trainer:main", torn, *long)
        nursery.wait_until(lambda step=step: (torn / "started").exists() and last_step(torn) >= step)
        time.sleep(moments.uniform(0, 0.01))
        os.kill(pid, kill)
        start = time.monotonic()
        codes.append(nursery.wait())
        assert time.monotonic() - start < 20
        assert codes[-1] == (EXIT_AGAIN if kill == signal.SIGTERM else -kill), nursery.stderr()
    assert codes.count(EXIT_AGAIN) == codes.count(-signal.SIGKILL) == 5
    assert nursery.run_function("tests.train.numpy_trainer:main", torn, *long)[0] == 0
    _assert_same(whole, torn)
    assert decode(storage.read_bytes(checkpoint(torn, 140))).state["restarts"] >= 5
    assert len(saved_steps(torn)) == 2
    assert not list(torn.rglob(".*.partial"))


@pytest.mark.parametrize("call", ["step", "validate", "arrays"])
@pytest.mark.parametrize("number", [1, 2])
def test_sigterm_saves_and_exits_with_the_code_to_run_again(whole, tmp_path, caplog, call, number):
    termination, trainer = Termination(), NumpyTrainer()

    def terminate(name: str) -> None:
        if name == call and trainer.calls.count(call) == number:
            os.kill(os.getpid(), signal.SIGTERM)

    trainer.on_call = terminate
    with termination.caught(), termination.polled(), pytest.raises(SystemExit) as ended:
        _run_to_end(tmp_path, trainer=trainer, termination=termination)
    assert ended.value.code == EXIT_AGAIN
    step = saved_steps(tmp_path)[-1]
    assert f"saved a checkpoint at step {step}; run the same command again to resume" in caplog.text
    assert step <= 16
    loop = make_loop(tmp_path)
    loop.run(SilentBar())
    assert loop.state.restarts == 1
    _assert_same(whole, tmp_path)


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


def test_a_damaged_checkpoint_is_passed_over_and_the_log_says_so(whole, tmp_path, caplog):
    trainer = NumpyTrainer()

    def kill(name: str) -> None:
        if trainer.calls.count("step") == 12:
            raise KilledError

    trainer.on_call = kill
    with pytest.raises(KilledError):
        _run_to_end(tmp_path, trainer=trainer)
    older, newest = saved_steps(tmp_path)
    path = Path(checkpoint(tmp_path, newest))
    os.truncate(path, path.stat().st_size // 2)
    loop = make_loop(tmp_path)
    assert loop.state.step == older
    assert f"step-{newest:08d}.ckpt is damaged" in caplog.text
    assert "bytes, expected" in caplog.text
    assert f"resuming from step-{older:08d}.ckpt" in caplog.text
    loop.run(SilentBar())
    _assert_same(whole, tmp_path)


def test_checkpoints_come_as_often_as_the_settings_say(tmp_path):
    trainer = NumpyTrainer(_SELDOM)
    _run_to_end(tmp_path, _SELDOM, trainer=trainer)
    assert saved_steps(tmp_path) == [0, 30]
    assert trainer.calls.count("arrays") == 2


def test_a_full_disk_ends_it_and_the_checkpoint_before_stays(tmp_path):
    """RLIMIT_FSIZE stands for the disk: it lets the metrics log through, and no checkpoint."""
    import resource

    trainer = NumpyTrainer(size=20_000)
    before, saved = resource.getrlimit(resource.RLIMIT_FSIZE), []

    def fill(name: str) -> None:
        if trainer.calls.count("step") == 12 and not saved:
            saved.extend(saved_steps(tmp_path))
            resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))

    trainer.on_call = fill
    try:
        with pytest.raises(StepError, match=r"cannot save the checkpoint of step 12 .*: File too large; the earlier"):
            _run_to_end(tmp_path, trainer=trainer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert saved_steps(tmp_path) == saved == [10, 11]


def test_a_nan_is_undone_and_the_rate_is_halved(whole, tmp_path, caplog):
    settings = replace(_SELDOM, log_every_steps=5)
    loop = make_loop(tmp_path, settings, NumpyTrainer(settings, nan_steps={17: 1}))
    loop.run(SilentBar())
    assert "diverged at step 20: a loss or a gradient is not a number; rolled back to step 0 with half" in caplog.text
    assert (loop.state.step, loop.state.restarts) == (30, 0)
    [undone] = loop.state.rollbacks
    assert (undone["step"], undone["to_step"]) == (20, 0)
    lines = read_lines(tmp_path / "metrics.jsonl")
    rates = [line["learning_rate"] for line in lines if line["split"] == "train"]
    before = [line["learning_rate"] for line in read_lines(whole / "metrics.jsonl") if line["split"] == "train"]
    assert rates[0] == pytest.approx(before[0] / 2, rel=1e-4)
    assert [line["step"] for line in lines if line["split"] == "train"] == [1, 5, 10, 15, 20, 25, 30]
    assert np.isfinite([line["spectral_loss"] for line in lines]).all()
    # A process that resumes it keeps the halved rate.
    assert make_loop(tmp_path, settings, trainer := NumpyTrainer(settings)).state.rollbacks == [undone]
    assert trainer.learning_rate(0) == settings.learning_rate / 2


def test_a_diverged_training_is_never_saved(tmp_path):
    """The NaN is found when a checkpoint is due, before the interval ends."""
    settings = replace(SETTINGS, log_every_steps=1000)
    loop = make_loop(tmp_path, settings, NumpyTrainer(settings, nan_steps={17: 1}))
    loop.run(SilentBar())
    [undone] = loop.state.rollbacks
    assert (undone["step"], undone["to_step"]) == (18, 17)
    assert np.isfinite(Checkpoints(str(tmp_path)).newest().arrays["weights"]).all()


def test_after_two_rollbacks_it_stops_with_the_whole_account_in_one_line(tmp_path):
    settings = replace(_SELDOM, log_every_steps=5)
    with pytest.raises(StepError) as failed:
        _run_to_end(tmp_path, settings, trainer=NumpyTrainer(settings, nan_steps={17: 1_000}))
    line = str(failed.value)
    assert "diverged at step 20 (a loss or a gradient is not a number)" in line
    assert "half the learning rate 2 times (at step 20: " in line
    assert "try a lower train.learning_rate" in line
    assert "\n" not in line
    assert saved_steps(tmp_path) == [0]
    # The two tries are in the checkpoint, so that a process that resumes it does not begin with two more.
    assert len(decode(storage.read_bytes(checkpoint(tmp_path, 0))).state["rollbacks"]) == 2


_LONG = replace(SETTINGS, max_steps=400, eval_every_steps=50, decay_steps=400, checkpoint_every_s=1000.0)


def _without_pitch(seeds, **options) -> NumpyTrainer:
    return NumpyTrainer(_LONG, deaf_seeds=seeds, **options)


def test_a_training_that_has_lost_its_pitch_begins_again_with_another_seed(tmp_path, caplog):
    loop = make_loop(tmp_path / "lost", _LONG, _without_pitch({0}))
    loop.run(SilentBar())
    (line,) = [record.message for record in caplog.records if "begins again" in record.message]
    assert line == (
        "step 150: the model has lost its pitch: 0% of its sound repeats at the pitch, 90% of the held-out notes; "
        "the training begins again with seed 1 (attempt 2 of 3)"
    )
    assert [(each["step"], each["seed"]) for each in loop.state.attempts] == [(150, 0)]
    # From there on it is the training with that seed.
    other = make_loop(tmp_path / "other", replace(_LONG, seed=1))
    other.run(SilentBar())
    assert_same_arrays(tmp_path / "lost", tmp_path / "other")
    assert curve(tmp_path / "lost") == curve(tmp_path / "other")
    assert loop.state.best_loss == other.state.best_loss


def test_a_third_attempt_is_the_last_and_goes_on_with_a_warning(tmp_path, caplog):
    loop = make_loop(tmp_path / "lost", _LONG, _without_pitch({0, 1, 2}))
    assert loop.run(SilentBar()).kind == "max_steps"
    assert [each["seed"] for each in loop.state.attempts] == [0, 1]
    assert loop.state.seed == 2
    said = [record.message for record in caplog.records if "lost its pitch" in record.message]
    assert len(said) == 3
    assert "the training goes on" in said[-1]


@pytest.mark.parametrize("number", [1, 149, 151, 260])
def test_killed_in_any_attempt_it_ends_as_if_nothing_had_been(tmp_path, number):
    seeds = {0, 1}
    make_loop(tmp_path / "whole", _LONG, _without_pitch(seeds)).run(SilentBar())
    steps = 0

    def killed(name: str) -> None:
        nonlocal steps
        steps += name == "step"
        if steps == number:
            raise KilledError

    often = replace(_LONG, checkpoint_every_s=0.0)
    with pytest.raises(KilledError):
        make_loop(tmp_path / "killed", often, _without_pitch(seeds, on_call=killed)).run(SilentBar())
    loop = make_loop(tmp_path / "killed", _LONG, _without_pitch(seeds))
    loop.run(SilentBar())
    assert [each["seed"] for each in loop.state.attempts] == [0, 1]
    assert_same_arrays(tmp_path / "whole", tmp_path / "killed")
    assert curve(tmp_path / "whole") == curve(tmp_path / "killed")


def test_a_flat_curve_ends_it(tmp_path):
    settings = replace(SETTINGS, patience=1, min_improvement=0.999, eval_every_steps=3)
    loop = make_loop(tmp_path, settings)
    reason = loop.run(SilentBar())
    assert (reason.kind, loop.state.step) == ("flat", 3)
    assert "1 validation without an improvement of 99.90%" in reason.text


def test_out_of_time_it_ends_with_a_validation_at_whatever_step_that_is(tmp_path):
    settings = replace(SETTINGS, max_minutes=0.1 / 60, eval_every_steps=1000, max_steps=100_000)
    loop = make_loop(tmp_path, settings, NumpyTrainer(settings, on_call=lambda name: time.sleep(0.001)))
    bar = SilentBar()
    reason = loop.run(bar)
    assert "ends within 0 s" in bar.notes  # the progress counts the time left by it
    assert (reason.kind, reason.text) == ("max_minutes", "train.max_minutes = 0.00166667")
    assert 1 < loop.state.step < 1000
    assert loop.state.validated_step == loop.state.step
    assert curve(tmp_path)[-1][:2] == (loop.state.step, "valid")
    # The time of all processes counts: one that resumes it ends at once.
    resumed = make_loop(tmp_path, settings)
    assert resumed.run(SilentBar()).kind == "max_minutes"
    assert resumed.state.step == loop.state.step


def test_every_note_is_validated_once_though_the_replicas_share_them(tmp_path):
    one, two = NumpyTrainer(), NumpyTrainer(replicas=2)
    for name, trainer in (("one", one), ("two", two)):
        _run_to_end(tmp_path / name, trainer=trainer, notes=dataset(valid=3))
    assert (one.validated_groups[:3], two.validated_groups[:2]) == ([1, 1, 1], [2, 2])
    losses = [[loss for _, split, loss in curve(tmp_path / name) if split == "valid"] for name in ("one", "two")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


class _Average:
    """Returns to each of two workers, each in a thread, the mean of their messages of a step."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(2, timeout=10)
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
        thread.join(20)
    return loops, ended


def _nothing(trainer, termination) -> None:
    pass


def _terminate_at_10(trainer, termination) -> None:
    if trainer.calls.count("step") >= 10:
        termination.requested = True


@pytest.mark.parametrize("asked", [0, 1])
def test_a_signal_to_one_worker_stops_all_at_the_same_step(whole, tmp_path, asked):
    on_calls = [_nothing, _nothing]
    on_calls[asked] = _terminate_at_10
    loops, ended = _two_workers(tmp_path, SETTINGS, on_calls)
    assert [error.code for error in ended] == [EXIT_AGAIN] * 2
    assert loops[0].state.step == loops[1].state.step == saved_steps(tmp_path)[-1]
    assert 10 < loops[0].state.step < 20
    loops, ended = _two_workers(tmp_path, SETTINGS, [_nothing] * 2)
    assert [reason.kind for reason in ended] == ["max_steps"] * 2
    _assert_same_arrays_and_curve(whole, tmp_path)


def _assert_same_arrays_and_curve(whole: Path, out: Path) -> None:
    assert curve(whole)[-1] == curve(out / "local-0")[-1] == curve(out / "local-1")[-1]
    assert_same_arrays(whole, out)


def test_workers_end_roll_back_and_save_together(tmp_path):
    settings = replace(SETTINGS, max_minutes=0.3 / 60, eval_every_steps=1000, max_steps=100_000, log_every_steps=5)
    slow = [lambda trainer, termination: time.sleep(0.001), _nothing]
    loops, ended = _two_workers(tmp_path, settings, slow, nan_steps={17: 1})
    assert [reason.kind for reason in ended] == ["max_minutes"] * 2
    assert loops[0].state.step == loops[1].state.step == saved_steps(tmp_path)[-1]
    assert loops[0].state.rollbacks == loops[1].state.rollbacks
    assert len(loops[0].state.rollbacks) == 1
