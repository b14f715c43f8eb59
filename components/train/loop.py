"""The training loop: steps, validations, checkpoints, rollbacks, and when to stop."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from components.artifacts.metrics_log import MetricsLog
from components.config.settings import TrainSettings
from components.telemetry import log
from components.train.checkpoints import Snapshot
from components.train.dataset import Material
from components.train.divergence import MOST_ROLLBACKS, Diverged, check_interval, check_validation, given_up
from components.train.outputs import Outlets
from components.train.prefetch import Feed, batches
from components.train.progress_bars import Bar
from components.train.state import State
from components.train.step_timing import Pace
from components.train.stopping import Verdict, verdict
from components.train.summaries import Summaries
from components.train.termination import Termination
from components.train.trainer import Interval, Trainer, best_arrays, best_weights
from components.train.worker_sync import Agreement, Wishes

_LOG = log.get(__name__)


class Loop:
    """Trains a model on one family's notes, from the newest checkpoint on.

    Attributes:
        state: Where the training is.
        best: The weights of the best validation so far.
        summaries: TensorBoard's files.
    """

    def __init__(
        self,
        trainer: Trainer,
        material: Material,
        settings: TrainSettings,
        outlets: Outlets,
        snapshot: Snapshot | None,
        termination: Termination,
    ) -> None:
        """Goes to where an earlier process was.

        Args:
            trainer: The devices' part.
            material: Notes to learn from and to validate on.
            settings: The preset's, with the user's bindings.
            outlets: Where the results go.
            snapshot: The newest checkpoint, if there is one already.
            termination: Says when to save and leave.
        """
        self._trainer, self._material, self._settings = trainer, material, settings
        self._outlets, self._termination, self._watch = outlets, termination, outlets.watch
        self._agreement = Agreement(trainer.devices.workers)
        self.state, self.best = State(seed=settings.seed), trainer.weights()
        if snapshot:
            self._go_to(snapshot)
            self.state.restarts += 1
        after_step = self.state.step if snapshot else -1
        self._curves = MetricsLog(outlets.folder, after_step, self.state.validated_step, self.state.seconds)
        self.summaries = Summaries(outlets.folder)
        self._saved, self._saved_step = time.monotonic(), self.state.step
        self._pace = Pace()

    def run(self, bar: Bar) -> Verdict:
        """Trains until it is time to stop, and returns why it was.

        Args:
            bar: Shows the progress.

        Raises:
            StepError: The training diverged once too often.
            SystemExit: SIGTERM came; a checkpoint has been written.
        """
        state = self.state
        self._watch.at(state.step, state.restarts, len(state.rollbacks))
        self._feed = self._batches()
        try:
            bar.note("resumed" if state.step else "first steps")
            over = self._turn_or_back()
            bar.advance(self.state.step - bar.done, note=self._note())
            bar.restart_pace()  # what was before was mostly compiling
            while not over:
                over = self._turn_or_back()
                bar.advance(self.state.step - bar.done, note=self._note())
        finally:
            self._feed.close()
        return over

    def _batches(self) -> Feed[tuple[Any, ...]]:
        return batches(self._material.train, self._settings, self._trainer.devices, self.state.step)

    def _turn_or_back(self) -> Verdict | None:
        try:
            return self._turn()
        except Diverged as problem:
            self._roll_back(str(problem))
            return None

    def _turn(self) -> Verdict | None:
        """Does what is due before a step and, if the training is not over, the step."""
        first = self.state.validated_step < 0
        if self.state.validated_step < self.state.step and self._is_validation_due():
            self._validate()
        self._leave_if_asked()
        if first:
            self._save()  # so that there is one to go back to, and a disk without room is noticed
        over = verdict(self.state, self._settings, math.inf if self._decided().end else 0.0)
        if over:
            self._end()
            return over
        self._advance()
        if self._decided().save and self.state.step - self._saved_step > self._agreement.lag_steps:
            self._save()
        return None

    def _wishes(self) -> Wishes:
        is_old = time.monotonic() - self._saved > self._settings.checkpoint_every_s
        minutes = self._curves.seconds / 60
        return Wishes(self._termination.asked, is_old, 0 < self._settings.max_minutes <= minutes)

    def _decided(self) -> Wishes:
        return self._agreement.decided(self._wishes())

    def _end(self) -> None:
        """Completes the curves at whatever step it is, and saves."""
        if interval := self._trainer.interval():
            self._log_interval(interval)
        if self.state.validated_step < self.state.step:
            self._validate()
        self._leave_if_asked()
        self._save()

    def _advance(self) -> None:
        start, waited_before_s = time.monotonic(), self._feed.waited_s
        batch = self._feed.get()
        self._agreement.answered(self._trainer.step(*batch, *self._agreement.arguments(self._wishes())))
        self.state.step += 1
        self.state.examples += self._settings.batch_size
        step = self.state.step
        due = step == 1 or step % self._settings.log_every_steps == 0 or step == self._settings.max_steps
        # Waits for the device, so that the time below is the steps' own.
        interval = self._trainer.interval() if due else None
        self._pace.add(time.monotonic() - start, self._feed.waited_s - waited_before_s)
        if interval:
            self._log_interval(interval)

    def _log_interval(self, interval: Interval) -> None:
        self._check(interval)
        self._trainer.new_interval()
        rate, pace = self._trainer.learning_rate(self.state.step), self._pace
        self._add("train", interval.loss, learning_rate=rate, grad_norm=interval.grad_norm, **pace.numbers())
        self.state.waited_s += pace.waited_s
        self._watch.trained(self.state.step, pace.steps, pace.seconds, pace.waited_s)
        self._watch.device(rate, self._trainer.traces)
        self._pace = Pace()

    def _check(self, interval: Interval | None) -> None:
        check_interval(interval, self.state.first_loss, self._settings.divergence_factor)

    def _is_validation_due(self) -> bool:
        step = self.state.step
        return step % self._settings.eval_every_steps == 0 or step == self._settings.max_steps

    def _validate(self) -> None:
        """Plays the held-out notes; leaves it at that where the process is asked to end meanwhile."""
        losses, sounds, devices, notes = [], {}, self._trainer.devices, self._material.valid
        for number, group in enumerate(notes.in_groups(devices.replicas)):
            if self._decided().leave:
                return
            of_group, played = self._trainer.hear(*devices.split(group))
            losses.append(of_group)
            if number == 0 and self.state.step % self._settings.sound_every_steps == 0:
                sounds = {"held-out/original": group.audio[0], "held-out/resynthesis": played[0].numpy()}
        loss = float(np.mean(np.concatenate(losses)[: len(notes)], dtype=np.float64))
        check_validation(loss, self.state.best_loss, self._settings.divergence_factor)
        if self.state.validated(loss, self._settings.min_improvement):
            self.best = self._trainer.weights()
        self._add("valid", loss)
        if sounds:
            self.summaries.add_sounds(self.state.step, sounds)

    def _add(self, split: str, loss: float, **more: float) -> None:
        self.summaries.add(self._curves.add(self.state.step, split, loss, **more))
        self._watch.loss(split, loss)

    def _save(self) -> None:
        """Writes a checkpoint, never one of a training that has diverged."""
        self._check(self._trainer.interval())
        start = time.monotonic()
        self.summaries.flush()
        self._outlets.publish()
        self.state.seconds = self._curves.seconds
        arrays = {**self._trainer.arrays(), **best_arrays(self.best)}
        size_bytes = self._outlets.checkpoints.save(Snapshot(self.state.as_dict(), arrays))
        self._saved, self._saved_step = time.monotonic(), self.state.step
        self._watch.saved(self._saved - start, size_bytes)

    def _leave_if_asked(self) -> None:
        if self._decided().leave:
            self._save()
            _LOG.warning("asked to stop: saved at step %d; the same command goes on from there", self.state.step)
            self._termination.leave()

    def _roll_back(self, reason: str) -> None:
        """Goes back to the newest checkpoint and halves the learning rate."""
        step, rollbacks, restarts = self.state.step, self.state.rollbacks, self.state.restarts
        snapshot = self._outlets.checkpoints.newest()
        if len(rollbacks) == MOST_ROLLBACKS or snapshot is None:
            raise given_up(step, reason, rollbacks, self._trainer.learning_rate(step))
        self._go_to(snapshot)
        self._trainer.halve_rate(len(rollbacks) + 1)
        to_step, rate = self.state.step, self._trainer.learning_rate(self.state.step)
        undone = {"step": step, "to_step": to_step, "reason": reason, "learning_rate": rate}
        self.state.rollbacks, self.state.restarts = [*rollbacks, undone], restarts
        _LOG.warning("diverged at step %d: %s; back to step %d with half the rate, %.2g", step, reason, to_step, rate)
        self._curves.rewind(self.state.step, self.state.validated_step)
        self._feed.close()
        self._feed = self._batches()
        self._agreement.forget()
        self._pace = Pace()
        self._watch.at(self.state.step, self.state.restarts, len(self.state.rollbacks))
        self._save()

    def _go_to(self, snapshot: Snapshot) -> None:
        self.state = State(**snapshot.state)
        self._trainer.restore(snapshot.arrays)
        self._trainer.halve_rate(len(self.state.rollbacks))
        self.best = best_weights(snapshot.arrays)

    def _note(self) -> str:
        train, valid = (self._curves.last.get(split, {}).get("spectral_loss") for split in ("train", "valid"))
        return f"loss {train or math.nan:.2f}, held out {valid or math.nan:.2f}"
