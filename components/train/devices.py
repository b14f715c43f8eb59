"""The devices of a training: one device, all GPUs of this machine, or those of several workers.

A batch is split among the replicas, one on each device. Gradients and sums are averaged on the devices, so that all
replicas hold the same weights. With several workers every process runs the same loop; the chief alone writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from components.config.settings import TrainSettings
from components.core.errors import EXIT_AGAIN, InputError, StepError
from components.core.text import counted
from components.synths.ddsp_imports import tf
from components.telemetry import log
from components.train.dataset import Batch
from components.train.workers import Workers

_LOG = log.get(__name__)
Tensors = tuple[Any, ...]


class Devices:
    """The devices of one training.

    Attributes:
        replicas: Copies of the model, one a device, over all workers.
        workers: Processes that train together.
        is_chief: Whether this process writes the files.
    """

    def __init__(self, strategy: Any = None, workers: Workers | None = None) -> None:
        """Takes one of TensorFlow's strategies; without one, the device that TensorFlow chooses."""
        self._given, self._strategy = strategy is not None, strategy or tf.distribute.get_strategy()
        self.replicas: int = self._strategy.num_replicas_in_sync
        self.workers = len(workers.hosts) if workers else 1
        self.is_chief = workers.is_chief if workers else True
        local = self.replicas // self.workers
        self._first_replica = workers.index * local if workers else 0
        self._device_names = self._strategy.extended.worker_devices if self._given else ()

    def scope(self) -> AbstractContextManager[Any]:
        """Makes variables in every replica, inside the block."""
        scope: AbstractContextManager[Any] = self._strategy.scope()
        return scope

    def check(self, batch_size: int) -> None:
        """Raises InputError where a batch cannot be split into equal parts."""
        if batch_size % self.replicas:
            raise InputError(
                f"train.batch_size is {batch_size}: expected a multiple of {self.replicas}, the number of devices that "
                f"a batch is split among ({counted(self.workers, 'worker')})"
            )

    def run(self, function: Callable[..., Any], arguments: Tensors) -> Any:
        """Calls a function in every replica, inside a tf.function."""
        return self._strategy.run(function, arguments) if self._given else function(*arguments)

    def mean(self, tensors: Any) -> Any:
        """Returns the means of tensors over all replicas. To be used in a function that `run` calls."""
        if self.replicas == 1:
            return tensors
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, tensors)

    def noise_seed(self, seed: Any) -> Any:
        """Returns the noise seed of this replica's part of a batch. To be used in a function that `run` calls."""
        if self.replicas == 1:
            return seed
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.concat([seed, [replica]], axis=0)

    def all_of(self, value: Any) -> Any:
        """Returns the values of all replicas: [1] in each -> [replicas] in every process."""
        return self._strategy.gather(value, axis=0) if self.replicas > 1 else value

    def own(self, value: Any) -> Any:
        """Returns the value of the first replica of this process."""
        return self._strategy.experimental_local_results(value)[0] if self._given else value

    def split(self, batch: Batch) -> Tensors:
        """Returns audio, f0_hz and loudness_db of a batch on the devices, split among the replicas.

        Args:
            batch: The whole batch; its size is a multiple of the replicas.
        """
        arrays = (batch.audio, batch.f0_hz, batch.loudness_db)
        if not self._given:
            return tuple(tf.constant(array) for array in arrays)
        rows = len(batch) // self.replicas

        def part(array: Any) -> Any:
            def of_replica(context: Any) -> Any:
                first = context.replica_id_in_sync_group * rows
                with tf.device(self._device_names[context.replica_id_in_sync_group - self._first_replica]):
                    return tf.constant(array[first : first + rows])

            return self._strategy.experimental_distribute_values_from_function(of_replica)

        return tuple(part(array) for array in arrays)


def assign_devices(count: int, workers: Workers | None) -> list[Devices]:
    """Returns the devices of `count` trainings of this process. Of several workers, waits for all.

    One training gets all GPUs that this process sees. Several get one each, in turn, and do not wait for each other.

    Raises:
        InputError: Several trainings by several workers.
    """
    if workers:
        if count > 1:
            raise InputError(
                f"got {counted(count, 'synth')} for {counted(len(workers.hosts), 'worker')}: several workers train one "
                "synth; start a Job for each synth"
            )
        workers.set_tf_config()
        workers.wait_for_all()
        return [Devices(tf.distribute.MultiWorkerMirroredStrategy(), workers)]
    visible = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(visible) == 1:
        return [Devices()] * count
    if count == 1:
        _LOG.info("training on %s", counted(len(visible), "device"))
        return [Devices(tf.distribute.MirroredStrategy([device.name for device in visible]))]
    return [Devices(tf.distribute.OneDeviceStrategy(visible[i % len(visible)].name)) for i in range(count)]


@contextmanager
def full_memory_as_step_error(name: str, settings: TrainSettings) -> Iterator[None]:
    """Turns TensorFlow's error of a device whose memory is full into one line.

    Args:
        name: Of the training.
        settings: Of the training.

    Raises:
        StepError: The memory of a device is full.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        _LOG.debug("%s", error)
        raise StepError(
            f"{name}: the memory of the device is full with train.batch_size = {settings.batch_size} and "
            f"train.crop_samples = {settings.crop_samples}: try fewer or shorter examples, or end what else uses it"
        ) from None


# What TensorFlow raises when a peer is gone, or its collectives are cancelled because of that.
_PEER_ERRORS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)


@contextmanager
def exit_if_peer_died(workers: Workers | None) -> Iterator[None]:
    """Ends this process if another worker has died in the block: all restart and resume from the newest checkpoint.

    Raises:
        SystemExit: With EXIT_AGAIN.
    """
    try:
        yield
    except _PEER_ERRORS as error:
        if workers is None:
            raise
        _LOG.debug("%s", error)
        _LOG.error(
            "worker %d of %d: another worker is gone (%s); run the command again to resume from the newest checkpoint",
            workers.index,
            len(workers.hosts),
            type(error).__name__,
        )
        raise SystemExit(EXIT_AGAIN) from None
