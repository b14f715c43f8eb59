"""The trainer that runs on TensorFlow's devices: variables, the training step, validation.

A step does not wait for the device. Its loss, and whether all is finite, are summed on the device and fetched once an
interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from components.config.settings import TrainSettings
from components.core.errors import InputError
from components.nsynth.note import NOTE_SAMPLES, FloatArray
from components.synths import compilation_cache, xla
from components.synths import model as models
from components.synths.ddsp_imports import tf
from components.telemetry import log
from components.train.checkpoints import Arrays, Weights
from components.train.dataset import Batch
from components.train.devices import Devices
from components.train.hearing import level_and_pitch
from components.train.optimizer import Optimizer
from components.train.state import Interval

_LOG = log.get(__name__)
Tensors = tuple[Any, ...]


class TensorFlowTrainer:
    """The Trainer of ddsp's autoencoder with our layers."""

    def __init__(
        self,
        model: Any,
        settings: TrainSettings,
        devices: Devices,
        initial_weights: Callable[[int], Weights] | None = None,
    ) -> None:
        """Traces the step and the validation. To be called inside models.configured; no other method needs it.

        Args:
            model: What models.build made in the devices' scope.
            settings: The preset's, with the user's bindings.
            devices: The devices to compute on.
            initial_weights: Returns the weights that a training with another seed begins with, for `begin_again`.
        """
        self._model, self._seed, self._devices = model, settings.seed, devices
        self._initial_weights = initial_weights
        self.replicas, self.workers = devices.replicas, devices.workers
        self._gpus = tf.config.list_logical_devices("GPU")
        with devices.scope():
            self._optimizer = Optimizer(settings, model.trainable_variables)
            # Of the interval: loss, gradient norm, steps, steps that were not finite. Means over the replicas.
            self._sums = tf.Variable(tf.zeros([4]), trainable=False, aggregation=tf.VariableAggregation.MEAN)
        self._validate = tf.function(
            lambda *arguments: devices.run(self._validate_on_replica, arguments), autograph=False
        )
        silence = Batch.silence(settings.batch_size, settings.crop_samples)
        message = (tf.zeros([3]),) if devices.workers > 1 else ()
        self._first_arguments = (*self.load(silence, 0), *message)
        self._step = self._traced_step(whole=xla.whole_step() and self.replicas == 1)
        self._validate.get_concrete_function(*devices.split(Batch.silence(devices.replicas, NOTE_SAMPLES)))
        self._untrained = {name: variable.numpy() for name, variable in self._variables() if "weights" not in name}

    def _traced_step(self, whole: bool) -> Any:
        """Returns the training step, traced; as one computation of XLA, which is compiled and tried, if `whole`."""
        # ddsp's own Python has no control flow that depends on tensors, so tracing it needs no autograph.
        step = tf.function(
            lambda *arguments: self._devices.run(self._step_on_replica, arguments),
            autograph=False,
            jit_compile=True if whole else None,
        )
        with xla.without_xla() if whole else nullcontext():  # no computation of its own inside of the step's
            step.get_concrete_function(*self._first_arguments)
        try:
            if whole:
                self._try(step)
        except tf.errors.OpError as error:
            if compilation_cache.is_damaged(error):
                raise
            reason = (str(error).splitlines() or [""])[0]
            _LOG.warning("XLA cannot compile the training step as one computation (%s): it is in parts, slower", reason)
            return self._traced_step(whole=False)
        return step

    def _try(self, step: Any) -> None:
        """Does a step on silence, which compiles it, and takes it back."""
        before = self.arrays()
        try:
            step(*self._first_arguments)
            self._sums.numpy()  # waits for the device
        finally:
            self.restore(before)

    def compile(self) -> None:
        """Has XLA compile all that a training needs: does a step and a validation, and takes them back."""
        if not xla.compiles():
            return
        self._try(self._step)
        self._validate(*self._devices.split(Batch.silence(self.replicas, NOTE_SAMPLES)))

    @property
    def traces(self) -> int:
        """How often the training step was traced. More than once means that a shape changes from step to step."""
        return int(self._step.experimental_get_tracing_count())

    def load(self, batch: Batch, step: int) -> Tensors:
        """Returns the arguments of `step` on the devices: audio, f0_hz and loudness_db, split, and the noise seed."""
        return *self._devices.split(batch), tf.constant([self._seed, step], tf.int32)

    def step(self, loaded: Tensors, message: FloatArray | None = None) -> Any:
        """Starts one step of gradient descent on the devices; see Trainer."""
        more = () if message is None else (tf.constant(message),)
        return self._devices.own(self._step(*loaded, *more))

    def validate(self, notes: Batch) -> tuple[Any, Any, Any]:
        """Resynthesizes notes without training, one on each replica; see Trainer."""
        with self._averaged():
            numbers, audio = self._validate(*self._devices.split(notes))
        numbers = self._devices.all_of(numbers)
        return numbers[:, 0], numbers[:, 1:], self._devices.own(audio)[0]

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Puts the averages of the weights into the model inside the block."""
        trained = self._model.trainable_variables if self._optimizer.averages else []
        newest = [tf.convert_to_tensor(variable) for variable in trained]
        for variable, average in zip(trained, self._optimizer.averages, strict=True):
            variable.assign(average)
        try:
            yield
        finally:
            for variable, value in zip(trained, newest, strict=True):
                variable.assign(value)

    def begin_again(self, seed: int) -> None:
        """Returns to the state before the first step, with the weights and the noise of another seed; see Trainer."""
        assert self._initial_weights is not None, "the trainer was given no other weights"
        self._seed = seed
        self.set_weights(self._initial_weights(seed))
        for name, variable in self._variables():
            if name in self._untrained:
                variable.assign(self._untrained[name])
        for average, variable in zip(self._optimizer.averages, self._model.trainable_variables, strict=False):
            average.assign(variable)

    def interval(self) -> Interval | None:
        """Waits for the device and returns the steps since `new_interval`; None if there was none."""
        loss, norm, steps, bad = (float(value) for value in self._sums.numpy())
        return Interval(int(steps), loss / steps, norm / steps, bad == 0) if steps else None

    def new_interval(self) -> None:
        """Sets the sums to zero."""
        self._sums.assign(tf.zeros([4]))

    def learning_rate(self, step: int) -> float:
        """Returns the learning rate of a step."""
        return self._optimizer.learning_rate(step)

    def halve_learning_rate(self, times: int) -> None:
        """Divides the learning rate of the settings by 2 to the power of `times`."""
        self._optimizer.halve_learning_rate(times)

    def weights(self) -> Weights:
        """Waits for the device and returns the model's weights, averaged over the steps."""
        with self._averaged():
            return [weight.numpy() for weight in self._model.weights]

    def set_weights(self, weights: Weights) -> None:
        """Puts weights into the model."""
        for variable, weight in zip(self._model.weights, weights, strict=True):
            variable.assign(weight)

    def arrays(self) -> Arrays:
        """Waits for the device and returns all that `restore` needs."""
        return {name: variable.numpy() for name, variable in self._variables()}

    def restore(self, arrays: Arrays) -> None:
        """Restores what `arrays` returned, in this process or an earlier one; ignores names that it does not know.

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

    def memory_bytes(self) -> dict[str, int]:
        """Returns the GPU memory that TensorFlow uses, "current" and "peak"; nothing without a GPU."""
        if not self._gpus:
            return {}
        used = tf.config.experimental.get_memory_info(self._gpus[0].name.removeprefix("/device:"))
        return {kind: used[kind] for kind in ("current", "peak")}

    def _step_on_replica(self, audio: Any, f0_hz: Any, loudness_db: Any, noise_seed: Any, *message: Any) -> Any:
        models.set_frames(self._model, f0_hz.shape[1])
        seed = self._devices.noise_seed(noise_seed)
        features = {**models.inputs(f0_hz, loudness_db, seed), "audio": audio}
        with tf.GradientTape() as tape:
            _, losses = self._model(features, return_losses=True, training=True)
        gradients = self._optimizer.gradients(tape, losses["total_loss"])
        norm, valid = self._optimizer.apply(gradients, self._devices.mean)
        loss = tf.cast(losses["spectral_loss"], tf.float32)
        bad = tf.cast(~(tf.math.is_finite(loss) & valid), tf.float32)
        self._sums.assign_add(tf.stack([loss, norm, 1.0, bad]))
        return self._devices.mean(tf.identity(message[0])) if message else None

    def _validate_on_replica(self, audio: Any, f0_hz: Any, loudness_db: Any) -> tuple[Any, Any]:
        """Returns the loss and `level_and_pitch` of a note, f32[1, 5], and its resynthesis."""
        # ddsp's model computes losses only with `training=True`, so the loss is called here.
        models.set_frames(self._model, f0_hz.shape[1])
        resynthesis = self._model(models.inputs(f0_hz, loudness_db), training=False)["audio_synth"]
        loss = tf.reshape(self._model.loss_objs[0](audio, resynthesis), [1, 1])
        return tf.concat([loss, level_and_pitch(resynthesis, audio, f0_hz)], axis=1), resynthesis
