"""What the training loop writes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.train.checkpoints import Checkpoints
from components.train.metrics import Metrics

if TYPE_CHECKING:
    from components.train.summaries import Summaries


@dataclass(frozen=True)
class Outputs:
    """The files and services that a loop writes to.

    Attributes:
        directory: The local training directory, for the metrics log.
        checkpoints: The checkpoints.
        metrics: Prometheus metrics.
        summaries: TensorBoard's summaries.
        publish: Called before every checkpoint, when the metrics log up to it is in `directory`.
    """

    directory: Path
    checkpoints: Checkpoints
    metrics: Metrics
    summaries: Summaries
    publish: Callable[[], None]
