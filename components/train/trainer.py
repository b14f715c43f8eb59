"""The device's part of a training: variables, the step, the sound of a note.

A step does not wait for the device. What it finds, its loss and whether all is finite, is added up on the device and
fetched once an interval.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import InputError
from components.synths import model as models
from components.synths.ddsp_imports import tf
from components.synths.settings import TrainSettings

Arrays = dict[str, npt.NDArray[Any]]


class _Rate(tf.keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """ddsp's exponential decay, times a scale that a rollback halves."""

    def __init__(self, settings: TrainSettings) -> None:
        self.scale = tf.Variable(1.0, trainable=False)
        self._decay = tf.keras.optimizers.schedules.ExponentialDecay(
            settings.learning_rate, settings.decay_steps, settings.decay_rate
        )

    def __call__(self, step: Any) -> Any:
        return self._decay(step) * self.scale


@dataclass(frozen=True)
class Interval:
    """What some steps found, as means over them.

    Attributes:
        steps: How many steps.
        loss: Spectral loss.
        grad_norm: Length of the gradient before clipping.
        finite: Whether every loss and every gradient was a number.
    """

    steps: int
    loss: float
    grad_norm: float
    finite: bool


class Trainer:
    """Trains a model step by step. To be used inside models.configured."""

    def __init__(self, model: Any, settings: TrainSettings) -> None:
        """Takes what models.build made and makes the optimizer: Adam with ddsp's decay of the learning rate."""
        self._model, self._clip_norm = model, settings.grad_clip_norm
        self._rate = _Rate(settings)
        self._optimizer = tf.keras.optimizers.Adam(self._rate)
        self._optimizer.build(model.trainable_variables)
        # Of the interval: loss, gradient norm, steps, steps with a number that is none.
        self._sums = tf.Variable(tf.zeros([4]), trainable=False)
        # ddsp's own Python has no control flow that depends on tensors, so tracing it needs no autograph.
        self._train_step = tf.function(self._step, autograph=False)
        self._hear = tf.function(self._heard, autograph=False)

    @property
    def traces(self) -> int:
        """How often the training step was traced. More than once means that a shape changes from step to step."""
        return int(self._train_step.experimental_get_tracing_count())

    def step(self, audio: Any, f0_hz: Any, loudness_db: Any, noise_seed: Any) -> None:
        """Starts one step of gradient descent on the device.

        Args:
            audio: f32[batch, samples].
            f0_hz: f32[batch, samples / 64], without gaps.
            loudness_db: f32[batch, samples / 64].
            noise_seed: i32[2].
        """
        self._train_step(audio, f0_hz, loudness_db, noise_seed)

    def hear(self, audio: Any, f0_hz: Any, loudness_db: Any) -> tuple[Any, Any]:
        """Plays notes without training. Returns the spectral loss and the audio played, f32[batch, samples]."""
        loss, played = self._hear(audio, f0_hz, loudness_db)
        return loss, played

    def interval(self) -> Interval | None:
        """Waits for the device and returns what the steps since `new_interval` found; None if there was no step."""
        loss, norm, steps, bad = (float(value) for value in self._sums.numpy())
        return Interval(int(steps), loss / steps, norm / steps, bad == 0) if steps else None

    def new_interval(self) -> None:
        """Begins to add up anew."""
        self._sums.assign(tf.zeros([4]))

    def learning_rate(self, step: int) -> float:
        """Returns the rate of a step."""
        return float(self._rate(step))

    def halve_rate(self, times: int) -> None:
        """Makes the rate that the settings say smaller by 2 to the power of `times`."""
        self._rate.scale.assign(0.5**times)

    def weights(self) -> list[npt.NDArray[Any]]:
        """Waits for the device and returns the model's weights."""
        return [weight.numpy() for weight in self._model.weights]

    def use(self, weights: list[npt.NDArray[Any]]) -> None:
        """Puts weights into the model."""
        for variable, weight in zip(self._model.weights, weights, strict=True):
            variable.assign(weight)

    def arrays(self) -> Arrays:
        """Waits for the device and returns all that `restore` needs."""
        return {name: variable.numpy() for name, variable in self._variables()}

    def restore(self, arrays: Arrays) -> None:
        """Goes back to what `arrays` returned, in this process or another; names it does not know are left alone.

        Raises:
            InputError: They are of another model.
        """
        for name, variable in self._variables():
            if name not in arrays or arrays[name].shape != tuple(variable.shape):
                found = list(arrays[name].shape) if name in arrays else "nothing"
                raise InputError(
                    f"the checkpoint is of another model: {name} ({variable.name}) is {found}, "
                    f"expected {list(variable.shape)}"
                )
        for name, variable in self._variables():
            variable.assign(arrays[name])

    def _variables(self) -> Iterator[tuple[str, Any]]:
        groups = {"weights": self._model.weights, "optimizer": self._optimizer.variables, "interval": [self._sums]}
        for group, variables in groups.items():
            for index, variable in enumerate(variables):
                yield f"{group}/{index:03d}", variable

    def _step(self, audio: Any, f0_hz: Any, loudness_db: Any, noise_seed: Any) -> None:
        models.set_frames(self._model, f0_hz.shape[1])
        features = {**models.inputs(f0_hz, loudness_db, noise_seed), "audio": audio}
        with tf.GradientTape() as tape:
            _, losses = self._model(features, return_losses=True, training=True)
        gradients = tape.gradient(losses["total_loss"], self._model.trainable_variables)
        gradients, norm = tf.clip_by_global_norm(gradients, self._clip_norm)
        self._optimizer.apply_gradients(zip(gradients, self._model.trainable_variables, strict=True))
        loss = tf.cast(losses["spectral_loss"], tf.float32)
        bad = tf.cast(~(tf.math.is_finite(loss) & tf.math.is_finite(norm)), tf.float32)
        self._sums.assign_add(tf.stack([loss, tf.cast(norm, tf.float32), 1.0, bad]))

    def _heard(self, audio: Any, f0_hz: Any, loudness_db: Any) -> tuple[Any, Any]:
        # ddsp's model computes losses with `training=True` alone, so not by it.
        models.set_frames(self._model, f0_hz.shape[1])
        played = self._model(models.inputs(f0_hz, loudness_db), training=False)["audio_synth"]
        return self._model.loss_objs[0](audio, played), played


def best_arrays(weights: list[npt.NDArray[Any]]) -> Arrays:
    """Returns the best weights as a checkpoint's arrays."""
    return {f"best/{index:03d}": weight for index, weight in enumerate(weights)}


def best_weights(arrays: Arrays) -> list[npt.NDArray[Any]]:
    """Returns the best weights of a checkpoint; nothing where none was validated yet."""
    return [np.asarray(arrays[name]) for name in sorted(arrays) if name.startswith("best/")]
