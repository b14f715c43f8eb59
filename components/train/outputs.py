"""Where the results of a training go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.train.checkpoints import Checkpoints
from components.train.metrics import Watch


@dataclass(frozen=True)
class Outlets:
    """Where the results of a training go.

    Attributes:
        folder: The local training directory: curves and TensorBoard's files.
        checkpoints: The checkpoints.
        watch: Prometheus' metrics.
        publish: Called before every checkpoint, when the curves up to it are in `folder`.
    """

    folder: Path
    checkpoints: Checkpoints
    watch: Watch
    publish: Callable[[], None]
