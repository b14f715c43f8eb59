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

from components.config.settings import TrainSettings
from components.core.errors import InputError
from components.nsynth.note import NOTE_SAMPLES
from components.synths import model as models
from components.synths.ddsp_imports import tf
from components.train.batch import silence
from components.train.devices import Devices
from components.train.optimizer import Descent

Arrays = dict[str, npt.NDArray[Any]]


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
    """Trains a model step by step.

    Attributes:
        devices: What it computes on.
    """

    def __init__(self, model: Any, settings: TrainSettings, devices: Devices) -> None:
        """Traces the step and the sound of a note. To be used inside models.configured, which nothing needs later.

        Args:
            model: What models.build made in the devices' scope.
            settings: The preset's, with the user's bindings.
            devices: What to compute on.
        """
        self._model, self.devices = model, devices
        with devices.scope():
            self._descent = Descent(settings, model.trainable_variables)
            # Of the interval: loss, gradient norm, steps, steps with a number that is none. Means over the replicas.
            self._sums = tf.Variable(tf.zeros([4]), trainable=False, aggregation=tf.VariableAggregation.MEAN)
        # ddsp's own Python has no control flow that depends on tensors, so tracing it needs no autograph.
        self._train_step = tf.function(lambda *arguments: devices.run(self._step, arguments), autograph=False)
        self._hear = tf.function(lambda *arguments: devices.run(self._heard, arguments), autograph=False)
        wishes = (tf.zeros([3]),) if devices.workers > 1 else ()
        batch = devices.split(silence(settings.batch_size, settings.crop_samples))
        self._train_step.get_concrete_function(*batch, tf.constant([settings.seed, 0], tf.int32), *wishes)
        self._hear.get_concrete_function(*devices.split(silence(devices.replicas, NOTE_SAMPLES)))

    @property
    def traces(self) -> int:
        """How often the training step was traced. More than once means that a shape changes from step to step."""
        return int(self._train_step.experimental_get_tracing_count())

    def step(self, audio: Any, f0_hz: Any, loudness_db: Any, noise_seed: Any, *wishes: Any) -> Any:
        """Starts one step of gradient descent on the devices.

        Args:
            audio: f32[batch, samples], split as Devices.split does.
            f0_hz: f32[batch, samples / 64], without gaps.
            loudness_db: f32[batch, samples / 64].
            noise_seed: i32[2].
            *wishes: Of several workers: what this one wants, f32[3].

        Returns:
            Of several workers: the mean of their wishes. Nothing otherwise.
        """
        return self.devices.own(self._train_step(audio, f0_hz, loudness_db, noise_seed, *wishes))

    def hear(self, audio: Any, f0_hz: Any, loudness_db: Any) -> tuple[Any, Any]:
        """Plays notes without training, one a replica.

        Returns:
            Their spectral losses, f32[replicas], and the audio of this process's first one, f32[1, samples].
        """
        losses, played = self._hear(audio, f0_hz, loudness_db)
        return self.devices.all_of(losses), self.devices.own(played)

    def interval(self) -> Interval | None:
        """Waits for the device and returns what the steps since `new_interval` found; None if there was no step."""
        loss, norm, steps, bad = (float(value) for value in self._sums.numpy())
        return Interval(int(steps), loss / steps, norm / steps, bad == 0) if steps else None

    def new_interval(self) -> None:
        """Begins to add up anew."""
        self._sums.assign(tf.zeros([4]))

    def learning_rate(self, step: int) -> float:
        """Returns the rate of a step."""
        return self._descent.rate(step)

    def halve_rate(self, times: int) -> None:
        """Makes the rate that the settings say smaller by 2 to the power of `times`."""
        self._descent.halve_rate(times)

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
        groups = {"weights": self._model.weights, "optimizer": self._descent.variables, "interval": [self._sums]}
        for group, variables in groups.items():
            for index, variable in enumerate(variables):
                yield f"{group}/{index:03d}", variable

    def _step(self, audio: Any, f0_hz: Any, loudness_db: Any, noise_seed: Any, *wishes: Any) -> Any:
        models.set_frames(self._model, f0_hz.shape[1])
        seed = self.devices.noise_seed(noise_seed)
        features = {**models.inputs(f0_hz, loudness_db, seed), "audio": audio}
        with tf.GradientTape() as tape:
            _, losses = self._model(features, return_losses=True, training=True)
        gradients = self._descent.gradients(tape, losses["total_loss"])
        norm, sound = self._descent.descend(gradients, self.devices.mean)
        loss = tf.cast(losses["spectral_loss"], tf.float32)
        bad = tf.cast(~(tf.math.is_finite(loss) & sound), tf.float32)
        self._sums.assign_add(tf.stack([loss, norm, 1.0, bad]))
        return self.devices.mean(tf.identity(wishes[0])) if wishes else None

    def _heard(self, audio: Any, f0_hz: Any, loudness_db: Any) -> tuple[Any, Any]:
        # ddsp's model computes losses with `training=True` alone, so not by it.
        models.set_frames(self._model, f0_hz.shape[1])
        played = self._model(models.inputs(f0_hz, loudness_db), training=False)["audio_synth"]
        return tf.reshape(self._model.loss_objs[0](audio, played), [1]), played


def best_arrays(weights: list[npt.NDArray[Any]]) -> Arrays:
    """Returns the best weights as a checkpoint's arrays."""
    return {f"best/{index:03d}": weight for index, weight in enumerate(weights)}


def best_weights(arrays: Arrays) -> list[npt.NDArray[Any]]:
    """Returns the best weights of a checkpoint; nothing where none was validated yet."""
    return [np.asarray(arrays[name]) for name in sorted(arrays) if name.startswith("best/")]
