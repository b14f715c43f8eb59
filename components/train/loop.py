"""The training loop: steps, validations, checkpoints, rollbacks, and when to stop.

The loop computes nothing itself: its trainer does, on whatever device.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from components.artifacts.metrics_log import MetricsLog
from components.config.settings import TrainSettings
from components.telemetry import log
from components.train.checkpoints import Snapshot
from components.train.dataset import Dataset
from components.train.divergence import MAX_ROLLBACKS, Diverged, DivergenceCheck, divergence_error
from components.train.outputs import Outputs
from components.train.prefetch import Prefetcher
from components.train.progress import ProgressBar
from components.train.state import Interval, State, StepTiming, StopReason, stop_reason
from components.train.termination import Termination
from components.train.trainer import Trainer
from components.train.unheard import MAX_ATTEMPTS, SilentOrPitchless, check_heard
from components.train.workers import StopRequests, WorkerSync

_LOG = log.get(__name__)


class Loop:
    """Trains a model on the notes of one family, from the newest checkpoint on.

    Attributes:
        state: The state of the training.
        best: The weights of the best validation so far.
    """

    def __init__(
        self,
        trainer: Trainer,
        dataset: Dataset,
        settings: TrainSettings,
        outputs: Outputs,
        snapshot: Snapshot | None,
        termination: Termination,
        pretrained: bool = False,
    ) -> None:
        """Restores the snapshot.

        Args:
            trainer: Computes the steps and validations.
            dataset: Notes to train and to validate on.
            settings: The preset's, with the user's bindings.
            outputs: Where the results go.
            snapshot: The newest checkpoint; None if the training starts from scratch.
            termination: Tells whether the process was asked to end.
            pretrained: Whether the weights before the first step are of other instruments: they are never the best.
        """
        self._pretrained = pretrained
        self._trainer, self._dataset, self._settings = trainer, dataset, settings
        self._outputs, self._termination = outputs, termination
        self._sync = WorkerSync(trainer.workers)
        self.state, self.best = State(seed=settings.seed), trainer.weights()
        if snapshot:
            self._restore(snapshot)
            self.state.restarts += 1
        after_step = self.state.step if snapshot else -1
        self._divergence = DivergenceCheck(settings.divergence_factor, settings.log_every_steps)
        self._divergence.begin(self.state.step)
        self._log = MetricsLog(outputs.directory, after_step, self.state.validated_step, self.state.seconds)
        self._saved_s, self._saved_step = time.monotonic(), self.state.step
        self._timing = StepTiming()
        self._batches = Prefetcher(self._load)

    def run(self, bar: ProgressBar) -> StopReason:
        """Trains until a limit is reached, and returns which.

        Args:
            bar: Shows the progress.

        Raises:
            StepError: The training diverged once too often, or the disk is full.
            SystemExit: The process was asked to end; a checkpoint has been written.
        """
        self._log.start_clock()
        self._set_position()
        self._batches.start(self.state.step)
        try:
            bar.note("resumed" if self.state.step else "first steps")
            reason = self._turn_or_roll_back()
            if self._settings.max_minutes:
                bar.ends_within(60 * self._settings.max_minutes - self._log.seconds)
            bar.skip(self.state.step - bar.done, note=self._losses())  # the first step was mostly compilation
            while not reason:
                reason = self._turn_or_roll_back()
                bar.advance(self.state.step - bar.done, note=self._losses())
        finally:
            self._batches.close()
        return reason

    def _turn_or_roll_back(self) -> StopReason | None:
        try:
            return self._turn()
        except Diverged as problem:
            self._roll_back(str(problem))
        except SilentOrPitchless as problem:
            self._begin_again(str(problem))
        return None

    def _turn(self) -> StopReason | None:
        """Does what is due before a step and then, unless the training has ended, the step."""
        is_first = self.state.validated_step < 0
        if self.state.validated_step < self.state.step and self._is_validation_due():
            self._validate()
        self._exit_if_requested()
        if is_first:
            self._save()  # a checkpoint to roll back to; and a full disk is noticed early
        reason = stop_reason(self.state, self._settings, math.inf if self._agreed().out_of_time else 0.0)
        if reason:
            self._end()
            return reason
        self._step()
        if self._agreed().save and self.state.step - self._saved_step > self._sync.lag_steps:
            self._save()
        return None

    def _requests(self) -> StopRequests:
        is_old = time.monotonic() - self._saved_s > self._settings.checkpoint_every_s
        minutes = self._log.seconds / 60
        return StopRequests(self._termination.requested, is_old, 0 < self._settings.max_minutes <= minutes)

    def _agreed(self) -> StopRequests:
        return self._sync.agreed(self._requests())

    def _end(self) -> None:
        """Completes the metrics log, at whatever step the training has ended, and saves."""
        if interval := self._trainer.interval():
            self._log_interval(interval)
        if self.state.validated_step < self.state.step:
            self._validate()
        self._exit_if_requested()
        self._save()

    def _step(self) -> None:
        start, waited_before_s = time.monotonic(), self._batches.waited_s
        loaded = self._batches.get()
        self._sync.received(self._trainer.step(loaded, self._sync.message(self._requests())))
        self.state.step += 1
        self.state.examples += self._settings.batch_size
        step = self.state.step
        due = step == 1 or step % self._settings.log_every_steps == 0 or step == self._settings.max_steps
        # Waits for the device, so that the time below is the steps' own.
        interval = self._trainer.interval() if due else None
        self._timing.add(time.monotonic() - start, self._batches.waited_s - waited_before_s)
        if interval:
            self._log_interval(interval)

    def _load(self, step: int) -> Any:
        return self._trainer.load(self._dataset.batch(self._settings, step), step)

    def _log_interval(self, interval: Interval) -> None:
        self._divergence.check_interval(interval, self.state.step, self.state.first_loss)
        self._trainer.new_interval()
        rate, timing = self._trainer.learning_rate(self.state.step), self._timing
        self._add("train", interval.loss, learning_rate=rate, grad_norm=interval.grad_norm, **timing.as_metrics())
        self.state.waited_s += timing.waited_s
        self._outputs.metrics.add_steps(self.state.step, timing.steps, timing.seconds, timing.waited_s)
        self._outputs.metrics.set_device(rate, self._trainer.traces, self._trainer.memory_bytes())
        self._timing = StepTiming()

    def _is_validation_due(self) -> bool:
        step = self.state.step
        return step % self._settings.eval_every_steps == 0 or step == self._settings.max_steps

    def _validate(self) -> None:
        """Resynthesizes the held-out notes; breaks off if the process is asked to end meanwhile."""
        losses: list[npt.ArrayLike] = []
        heard: list[npt.ArrayLike] = []
        sounds: dict[str, npt.ArrayLike] = {}
        notes = self._dataset.valid
        for number, group in enumerate(notes.groups(self._trainer.replicas)):
            if self._agreed().terminate:
                return
            of_group, heard_of_group, resynthesis = self._trainer.validate(group)
            losses.append(of_group)
            heard.append(heard_of_group)
            if number == 0 and self.state.step % self._settings.sound_every_steps == 0:
                sounds = {"held-out/original": group.audio[0], "held-out/resynthesis": np.asarray(resynthesis)}
        loss = float(np.mean(np.concatenate(losses)[: len(notes)], dtype=np.float64))
        self._divergence.check_validation(loss, self.state.compared_loss)
        candidate = not self._pretrained or self.state.step > 0
        if self.state.validated(loss, self._settings.min_improvement, len(notes), candidate):
            self.best = self._trainer.weights()
        self._add("valid", loss)
        if sounds:
            self._outputs.summaries.add_audio(self.state.step, sounds)
        if warning := check_heard(self.state, np.concatenate(heard)[: len(notes)], self._settings):
            _LOG.warning("step %d: %s; the training goes on, its evaluation will tell", self.state.step, warning)

    def _add(self, split: str, loss: float, **more: float) -> None:
        self._outputs.summaries.add(self._log.add(self.state.step, split, loss, **more))
        self._outputs.metrics.set_loss(split, loss)

    def _save(self) -> None:
        """Writes a checkpoint, but never one of a training that has diverged."""
        self._divergence.check_interval(self._trainer.interval(), self.state.step, self.state.first_loss)
        start = time.monotonic()
        self._outputs.summaries.flush()
        self._outputs.publish()
        self.state.seconds = self._log.seconds
        size_bytes = self._outputs.checkpoints.save(
            Snapshot.of(self.state.as_dict(), self._trainer.arrays(), self.best)
        )
        self._saved_s, self._saved_step = time.monotonic(), self.state.step
        self._outputs.metrics.add_checkpoint(self._saved_s - start, size_bytes)

    def _exit_if_requested(self) -> None:
        if self._agreed().terminate:
            self._save()
            _LOG.warning(
                "asked to stop: saved a checkpoint at step %d; run the same command again to resume from it",
                self.state.step,
            )
            self._termination.exit()

    def _roll_back(self, reason: str) -> None:
        """Restores the newest checkpoint and halves the learning rate."""
        step, rollbacks, restarts = self.state.step, self.state.rollbacks, self.state.restarts
        snapshot = self._outputs.checkpoints.newest()
        if len(rollbacks) == MAX_ROLLBACKS or snapshot is None:
            raise divergence_error(step, reason, rollbacks, self._trainer.learning_rate(step))
        self._restore(snapshot)
        self._trainer.halve_learning_rate(len(rollbacks) + 1)
        to_step, rate = self.state.step, self._trainer.learning_rate(self.state.step)
        undone = {"step": step, "to_step": to_step, "reason": reason, "learning_rate": rate}
        self.state.rollbacks, self.state.restarts = [*rollbacks, undone], restarts
        _LOG.warning(
            "diverged at step %d: %s; rolled back to step %d with half the learning rate, %.2g",
            step,
            reason,
            to_step,
            rate,
        )
        self._go_on_from_state()
        self._save()

    def _begin_again(self, reason: str) -> None:
        """Begins the training again with another seed, and keeps the reason."""
        given_up, seed = self.state, (self.state.seed + 1) % 2**32
        attempts = [*given_up.attempts, {"step": given_up.step, "seed": given_up.seed, "reason": reason}]
        which = f"attempt {len(attempts) + 1} of {MAX_ATTEMPTS}"
        _LOG.warning("step %d: %s; the training begins again with seed %d (%s)", given_up.step, reason, seed, which)
        self._use_seed(seed)
        self.state = State(seed=seed, restarts=given_up.restarts, waited_s=given_up.waited_s, attempts=attempts)
        self.best = self._trainer.weights()
        self._divergence.begin(0)
        self._save()  # before the log is emptied: whatever is resumed from here on has its lines
        self._go_on_from_state()

    def _use_seed(self, seed: int) -> None:
        self._settings = replace(self._settings, seed=seed)
        self._trainer.begin_again(seed)

    def _go_on_from_state(self) -> None:
        """Drops what the training has done beyond its state: lines of the log, batches, messages of other workers."""
        self._log.rewind(self.state.step, self.state.validated_step)
        self._batches.start(self.state.step)
        self._sync.reset()
        self._timing = StepTiming()
        self._set_position()

    def _restore(self, snapshot: Snapshot) -> None:
        self.state = State.of(snapshot.state)
        if self.state.seed != self._settings.seed:
            self._use_seed(self.state.seed)
        self._trainer.restore(snapshot.arrays)
        self._trainer.halve_learning_rate(len(self.state.rollbacks))
        self.best = snapshot.best_weights

    def _set_position(self) -> None:
        self._outputs.metrics.set_position(self.state.step, self.state.restarts, len(self.state.rollbacks))

    def _losses(self) -> str:
        train, valid = (self._log.last.get(split, {}).get("spectral_loss") for split in ("train", "valid"))
        return f"loss {train or math.nan:.2f}, held out {valid or math.nan:.2f}"
