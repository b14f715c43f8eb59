"""The optimizer: Adam with ddsp's decay of the learning rate, clipped gradients, and loss scaling for float16."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from components.config.settings import TrainSettings
from components.synths.ddsp_imports import tf

_WARM_UP_STEPS = 8


class _Schedule(tf.keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """ddsp's exponential decay, times a scale that a rollback halves."""

    def __init__(self, settings: TrainSettings) -> None:
        self.scale = tf.Variable(1.0, trainable=False)
        self._decay = tf.keras.optimizers.schedules.ExponentialDecay(
            settings.learning_rate, settings.decay_steps, settings.decay_rate
        )

    def __call__(self, step: Any) -> Any:
        return self._decay(step) * self.scale


class _AveragingAdam(tf.keras.optimizers.Adam):  # type: ignore[misc]
    """Adam that averages the weights: soon over the newest steps, not over the initial weights."""

    @property
    def ema_momentum(self) -> Any:
        """The share of the average before that stays; Keras reads it at every step."""
        step = tf.cast(self.iterations, tf.float32)
        return tf.minimum(self._largest_share, step / (step + _WARM_UP_STEPS))

    @ema_momentum.setter
    def ema_momentum(self, share: float) -> None:
        self._largest_share = share


class Optimizer:
    """Updates a model's variables by their gradients, and averages them over the steps.

    Attributes:
        variables: Its own: Adam's moments, the averages, its count of steps, the scale of the loss.
        averages: An exponential moving average of each trained variable (Polyak and Juditsky 1992), from its first
            value; empty if none is kept.
    """

    def __init__(self, settings: TrainSettings, trained: list[Any]) -> None:
        """Args: the settings, and the variables to train."""
        self._trained, self._clip_norm = trained, settings.grad_clip_norm
        self._schedule = _Schedule(settings)
        share = settings.weight_average
        kind = _AveragingAdam if share > 0 else tf.keras.optimizers.Adam
        self._optimizer = kind(self._schedule, use_ema=share > 0, ema_momentum=share)
        self._scaling: Any = None
        self._optimizer.build(trained)
        self.variables = list(self._optimizer.variables)
        # No public name; Keras itself only writes them into the model.
        self.averages: list[Any] = list(self._optimizer._model_variables_moving_average) if share > 0 else []
        if settings.precision == "float16":
            self._optimizer = tf.keras.mixed_precision.LossScaleOptimizer(self._optimizer)
            self._scaling = self._optimizer._loss_scale  # no public name; checkpoints need its variables
            self.variables += [self._scaling.current_loss_scale, self._scaling.counter]

    def learning_rate(self, step: int) -> float:
        """Returns the learning rate of a step."""
        return float(self._schedule(step))

    def halve_learning_rate(self, times: int) -> None:
        """Divides the learning rate of the settings by 2 to the power of `times`."""
        self._schedule.scale.assign(0.5**times)

    def gradients(self, tape: Any, loss: Any) -> list[Any]:
        """Returns the gradients of a loss that was recorded by `tape`."""
        if self._scaling is None:
            found: list[Any] = tape.gradient(loss, self._trained)
            return found
        with tape:
            scaled = self._optimizer.get_scaled_loss(loss)
        found = self._optimizer.get_unscaled_gradients(tape.gradient(scaled, self._trained))
        return found

    def apply(self, gradients: list[Any], mean: Callable[[Any], Any]) -> tuple[Any, Any]:
        """Updates the variables.

        Args:
            gradients: What `gradients` returned.
            mean: From this replica's gradients to their means over all replicas.

        Returns:
            The length of the gradient before clipping, and whether it is valid: finite. With loss scaling it may be
            infinite as long as the scale can be lowered: then no variable changes, and the scale is lowered.
        """
        clipped, norm = tf.clip_by_global_norm(mean(gradients), self._clip_norm)
        finite = tf.math.is_finite(norm)
        valid = finite if self._scaling is None else finite | (self._optimizer.loss_scale > 1)
        self._optimizer.apply_gradients(zip(clipped, self._trained, strict=True), skip_gradients_aggregation=True)
        return tf.where(finite | ~valid, tf.cast(norm, tf.float32), 0.0), valid
