"""The training loop: steps, validations, checkpoints, and when to stop."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.errors import StepError
from components.synths import model as models
from components.synths.ddsp_imports import tf
from components.synths.settings import TrainSettings
from components.telemetry import log, progress
from components.train import watch
from components.train.checkpoints import Checkpoints
from components.train.curves import Curves
from components.train.data import Material, Sounds, batch
from components.train.summaries import Summaries

_LOG = log.get(__name__)
_LOG_EVERY_STEPS = 10  # losses stay on the device in between
_EXIT_TERMINATED = 128 + signal.SIGTERM


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        steps: Steps done.
        first_loss: Spectral loss of the validation before the first step.
        last_loss: Spectral loss of the last validation.
        best_loss: The lowest one.
        best_step: The step it was found at; the model has the weights of that step.
        stop_reason: Why it ended, in words.
    """

    steps: int
    first_loss: float
    last_loss: float
    best_loss: float
    best_step: int
    stop_reason: str


class Loop:
    """Trains a model on one family's notes, from the newest checkpoint on. To be used inside models.configured."""

    def __init__(
        self,
        model: Any,
        material: Material,
        settings: TrainSettings,
        folder: Path,
        on_checkpoint: Callable[[], None] = lambda: None,
    ) -> None:
        """Restores what an earlier process left.

        Args:
            model: What models.build made.
            material: Notes to learn from and to validate on.
            settings: The preset's, with the user's bindings.
            folder: The local training directory.
            on_checkpoint: Called after every checkpoint.
        """
        self._model, self._material, self._settings = model, material, settings
        self._on_checkpoint = on_checkpoint
        self._rate = tf.keras.optimizers.schedules.ExponentialDecay(
            settings.learning_rate, settings.decay_steps, settings.decay_rate
        )
        self._optimizer = tf.keras.optimizers.Adam(self._rate)
        self._optimizer.build(model.trainable_variables)
        self.checkpoints = Checkpoints(model, self._optimizer, folder)
        self.step = self.checkpoints.restore()
        self._curves = Curves(folder, after_step=self.step or -1)
        self.summaries = Summaries(folder)
        # ddsp's own Python has no control flow that depends on tensors, so tracing it needs no autograph.
        self._train_step = tf.function(self._step, autograph=False)
        self._valid_loss = tf.function(self._loss_of, autograph=False)
        self._losses: list[Any] = []
        self._terminated = False

    def run(self, family: str, synth: str) -> Outcome:
        """Trains until it is time to stop.

        Args:
            family: For the progress bar and the gauges.
            synth: The same.

        Raises:
            StepError: The loss is not a number any more.
            SystemExit: SIGTERM came; a checkpoint has been written.
        """
        self._gauges = {"family": family, "synth": synth}
        with (
            self._until_terminated(),
            progress.bar(f"train {family}-{synth}", self._settings.max_steps, "steps") as bar,
        ):
            bar.advance(self.step, note="resumed" if self.step else "building the graph")
            if self.step == 0:
                self._validate()
            saved = time.monotonic()
            while not (reason := self._stop_reason()):
                bar.advance(1, note=self._advance())
                if self._terminated:
                    self._save()
                    _LOG.warning("stopped at step %d by SIGTERM; the same command goes on from there", self.step)
                    raise SystemExit(_EXIT_TERMINATED)
                if time.monotonic() - saved > self._settings.checkpoint_every_s and not self._losses:
                    self._save()
                    saved = time.monotonic()
            self._save()
        return self._outcome(reason)

    def _advance(self) -> str:
        """Does one step and what is due after it; returns a note for the progress bar."""
        examples = batch(self._material.train, self._settings, self.step)
        noise_seed = tf.constant([self._settings.seed, self.step], tf.int32)
        self._losses.append(self._train_step(*_tensors(examples), noise_seed))
        self.step += 1
        self.checkpoints.step.assign(self.step)
        last = self.step == self._settings.max_steps
        if self.step == 1 or self.step % _LOG_EVERY_STEPS == 0 or last:
            self._log_losses()
        if self.step % self._settings.eval_every_steps == 0 or last:
            self._validate()
        train, valid = (self._curves.last.get(split, {}).get("spectral_loss") for split in ("train", "valid"))
        return f"loss {train or math.nan:.2f}, held out {valid or math.nan:.2f}"

    def _step(self, audio: Any, f0_hz: Any, loudness_db: Any, noise_seed: Any) -> Any:
        """One step of gradient descent, wholly on the device; returns the spectral loss before it."""
        models.set_frames(self._model, f0_hz.shape[1])
        features = {**models.inputs(f0_hz, loudness_db, noise_seed), "audio": audio}
        with tf.GradientTape() as tape:
            _, losses = self._model(features, return_losses=True, training=True)
        gradients = tape.gradient(losses["total_loss"], self._model.trainable_variables)
        gradients, _ = tf.clip_by_global_norm(gradients, self._settings.grad_clip_norm)
        self._optimizer.apply_gradients(zip(gradients, self._model.trainable_variables, strict=True))
        return losses["spectral_loss"]

    def _loss_of(self, audio: Any, f0_hz: Any, loudness_db: Any) -> Any:
        """The spectral loss without training. ddsp's model computes losses with `training=True` alone, so not by it."""
        models.set_frames(self._model, f0_hz.shape[1])
        played = self._model(models.inputs(f0_hz, loudness_db), training=False)
        return self._model.loss_objs[0](audio, played["audio_synth"])

    def _validate(self) -> None:
        losses = [self._valid_loss(*_tensors(note)) for note in self._material.valid.one_by_one()]
        loss = self._checked(float(np.mean([float(loss) for loss in losses])))
        self.checkpoints.validated(loss, self._settings.min_improvement)
        self._add("valid", loss)

    def _log_losses(self) -> None:
        loss = self._checked(float(tf.reduce_mean(tf.stack(self._losses))))
        self._losses = []
        self._add("train", loss, learning_rate=float(self._rate(self.step)))

    def _add(self, split: str, loss: float, **more: float) -> None:
        self.summaries.add(self._curves.add(self.step, split, loss, **more))
        watch.TRAIN_LOSS.labels(**self._gauges, split=split).set(loss)
        watch.TRAIN_STEP.labels(**self._gauges).set(self.step)

    def _checked(self, loss: float) -> float:
        if not math.isfinite(loss):
            raise StepError(
                f"the loss is {loss} at step {self.step}: the training diverged; try a lower train.learning_rate"
            )
        return loss

    def _stop_reason(self) -> str:
        if self.step >= self._settings.max_steps:
            return f"train.max_steps = {self._settings.max_steps}"
        stale = int(self.checkpoints.stale.numpy())
        if 0 < self._settings.patience <= stale:
            return f"{stale} validations without an improvement (train.patience = {self._settings.patience})"
        return ""

    def _save(self) -> None:
        self.checkpoints.save()
        self.summaries.flush()
        self._on_checkpoint()

    def _outcome(self, reason: str) -> Outcome:
        return Outcome(
            steps=self.step,
            first_loss=self._curves.first_valid_loss,
            last_loss=self._curves.last["valid"]["spectral_loss"],
            best_loss=float(self.checkpoints.best_loss.numpy()),
            best_step=int(self.checkpoints.best_step.numpy()),
            stop_reason=reason,
        )

    @contextmanager
    def _until_terminated(self) -> Iterator[None]:
        """Turns SIGTERM into a flag that the loop looks at. Only the main thread may set a handler."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, lambda *_: setattr(self, "_terminated", True))
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)


def _tensors(sounds: Sounds) -> tuple[Any, Any, Any]:
    return tf.constant(sounds.audio), tf.constant(sounds.f0_hz), tf.constant(sounds.loudness_db)
