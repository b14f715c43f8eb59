"""Checkpoints: all that a training needs to go on as if it had never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.synths.ddsp_imports import tf

_KEPT = 2


class Checkpoints:
    """Weights, optimizer, step, and the best weights so far, saved together.

    The position in the data needs no saving: batches and noise are functions of the step.

    Attributes:
        step: Steps done.
        best_loss: The lowest validation loss so far; infinity before the first validation.
        best_step: The step it was found at.
        stale: Validations since the last improvement that counts.
        mark: The validation loss at that improvement.
    """

    def __init__(self, model: Any, optimizer: Any, folder: Path) -> None:
        self._model = model
        self.step = tf.Variable(0, dtype=tf.int64)
        self.best_loss = tf.Variable(float("inf"))
        self.best_step = tf.Variable(0, dtype=tf.int64)
        self.stale = tf.Variable(0, dtype=tf.int64)
        self.mark = tf.Variable(float("inf"))
        self._best = [tf.Variable(weight, trainable=False) for weight in model.weights]
        checkpoint = tf.train.Checkpoint(
            model=model,
            optimizer=optimizer,
            step=self.step,
            best_loss=self.best_loss,
            best_step=self.best_step,
            stale=self.stale,
            mark=self.mark,
            best=self._best,
        )
        self._manager = tf.train.CheckpointManager(
            checkpoint, str(folder / "checkpoints"), max_to_keep=_KEPT, step_counter=self.step
        )

    def restore(self) -> int:
        """Goes back to the newest checkpoint and returns its step; 0 where there is none."""
        if self._manager.latest_checkpoint:
            self._manager.checkpoint.restore(self._manager.latest_checkpoint).assert_existing_objects_matched()
        return int(self.step.numpy())

    def save(self) -> None:
        """Writes a checkpoint and removes older ones."""
        self._manager.save(checkpoint_number=self.step)

    def validated(self, loss: float, min_improvement: float) -> None:
        """Takes note of a validation at the present step: keeps the weights if they are the best so far.

        Args:
            loss: The validation loss.
            min_improvement: The share of the loss by which it must fall to count against `stale`.
        """
        if loss < float(self.best_loss.numpy()):
            self.best_loss.assign(loss)
            self.best_step.assign(self.step)
            for best, weight in zip(self._best, self._model.weights, strict=True):
                best.assign(weight)
        if loss < float(self.mark.numpy()) * (1 - min_improvement):
            self.mark.assign(loss)
            self.stale.assign(0)
        else:
            self.stale.assign_add(1)

    def use_best(self) -> None:
        """Puts the best weights into the model."""
        for best, weight in zip(self._best, self._model.weights, strict=True):
            weight.assign(best)
