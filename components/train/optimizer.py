"""Gradient descent: Adam with ddsp's decay of the learning rate, clipped gradients, and a scaled loss for float16."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from components.config.settings import TrainSettings
from components.synths.ddsp_imports import tf


class _Rate(tf.keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """ddsp's exponential decay, times a scale that a rollback halves."""

    def __init__(self, settings: TrainSettings) -> None:
        self.scale = tf.Variable(1.0, trainable=False)
        self._decay = tf.keras.optimizers.schedules.ExponentialDecay(
            settings.learning_rate, settings.decay_steps, settings.decay_rate
        )

    def __call__(self, step: Any) -> Any:
        return self._decay(step) * self.scale


class Descent:
    """Moves variables against their gradients.

    Attributes:
        variables: Its own: Adam's moments, its count of steps, the scale of the loss.
    """

    def __init__(self, settings: TrainSettings, trained: list[Any]) -> None:
        """Args: the settings, and the variables to be trained."""
        self._trained, self._clip_norm = trained, settings.grad_clip_norm
        self._rate = _Rate(settings)
        self._optimizer = tf.keras.optimizers.Adam(self._rate)
        self._scaling: Any = None
        self._optimizer.build(trained)
        self.variables = list(self._optimizer.variables)
        if settings.precision == "float16":
            self._optimizer = tf.keras.mixed_precision.LossScaleOptimizer(self._optimizer)
            self._scaling = self._optimizer._loss_scale  # it has no public name, and a checkpoint needs its variables
            self.variables += [self._scaling.current_loss_scale, self._scaling.counter]

    def rate(self, step: int) -> float:
        """Returns the learning rate of a step."""
        return float(self._rate(step))

    def halve_rate(self, times: int) -> None:
        """Makes the rate that the settings say smaller by 2 to the power of `times`."""
        self._rate.scale.assign(0.5**times)

    def gradients(self, tape: Any, loss: Any) -> list[Any]:
        """Returns the gradients of a loss that was recorded by `tape`."""
        if self._scaling is None:
            found: list[Any] = tape.gradient(loss, self._trained)
            return found
        with tape:
            scaled = self._optimizer.get_scaled_loss(loss)
        found = self._optimizer.get_unscaled_gradients(tape.gradient(scaled, self._trained))
        return found

    def descend(self, gradients: list[Any], mean: Callable[[Any], Any]) -> tuple[Any, Any]:
        """Does a step.

        Args:
            gradients: What `gradients` returned.
            mean: From this replica's gradients to their means over all replicas.

        Returns:
            The length of the gradient before clipping, and whether it was as it should be: finite. Only where the scale
            of the loss can still be lowered may it be infinite; then nothing moves, and it is lowered.
        """
        clipped, norm = tf.clip_by_global_norm(mean(gradients), self._clip_norm)
        finite = tf.math.is_finite(norm)
        sound = finite if self._scaling is None else finite | (self._optimizer.loss_scale > 1)
        self._optimizer.apply_gradients(zip(clipped, self._trained, strict=True), skip_gradients_aggregation=True)
        return tf.where(finite | ~sound, tf.cast(norm, tf.float32), 0.0), sound
