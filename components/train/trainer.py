"""What the training loop needs of a trainer, which holds the model and computes its steps.

TensorFlowTrainer is the one that trains; tests have one in NumPy.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from components.nsynth.note import FloatArray
from components.train.checkpoints import Arrays, Weights
from components.train.dataset import Batch
from components.train.state import Interval


class Trainer(Protocol):
    """What the loop needs of a trainer: the model's variables, and the computation of steps and validations.

    Attributes:
        replicas: How many devices a batch is split among, over all workers.
        workers: How many processes train together.
    """

    replicas: int
    workers: int

    @property
    def traces(self) -> int:
        """How often the training step was compiled: more than once means that a shape changes from step to step."""

    def load(self, batch: Batch, step: int) -> Any:
        """Returns what `step` takes for the batch of a step; called in a thread of its own."""

    def step(self, loaded: Any, message: FloatArray | None = None) -> Any:
        """Starts one step of gradient descent, without waiting for it.

        Args:
            loaded: What `load` returned.
            message: With several workers: this worker's message, f32[3].

        Returns:
            With several workers: the mean of all messages, convertible to an array. Otherwise nothing.
        """

    def validate(self, notes: Batch) -> tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]:
        """Resynthesizes notes, one on each replica.

        Returns:
            Their spectral losses, f32[replicas]; level and pitch of them, f32[replicas, 4] (see
            hearing.level_and_pitch); and the audio of this process's first note, f32[samples].
        """

    def begin_again(self, seed: int) -> None:
        """Returns to the state before the first step, with the weights and the noise of another seed."""

    def interval(self) -> Interval | None:
        """Waits for the device and returns the steps since `new_interval`; None if there was none."""

    def new_interval(self) -> None:
        """Begins a new interval."""

    def learning_rate(self, step: int) -> float:
        """Returns the learning rate of a step."""

    def halve_learning_rate(self, times: int) -> None:
        """Divides the learning rate of the settings by 2 to the power of `times`."""

    def weights(self) -> Weights:
        """Waits for the device and returns the weights that a validation hears."""

    def arrays(self) -> Arrays:
        """Waits for the device and returns all that `restore` needs."""

    def restore(self, arrays: Arrays) -> None:
        """Restores what `arrays` returned, in this process or an earlier one; ignores names that it does not know."""

    def memory_bytes(self) -> dict[str, int]:
        """Returns the device memory in use, "current" and "peak"; nothing if that is not known."""
