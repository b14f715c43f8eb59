"""Prometheus metrics of a training that runs, served on the port in LUTHIER_METRICS_PORT."""

from __future__ import annotations

import time

from prometheus_client import Counter, Gauge, Histogram

from components.config.settings import TrainSettings
from components.nsynth.note import SAMPLE_RATE_HZ

_LABELS = ["family", "synth"]
_STEP_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SAVE_S = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 20)

_STEP = Gauge("luthier_train_step", "Steps of training done.", _LABELS)
_MAX_STEPS = Gauge("luthier_train_max_steps", "Steps after which the training ends.", _LABELS)
_LOSS = Gauge("luthier_train_loss", "Spectral loss.", [*_LABELS, "split"])
_RATE = Gauge("luthier_train_learning_rate", "Adam's learning rate.", _LABELS)
_EXAMPLES = Counter("luthier_train_examples_total", "Examples trained on by this process.", _LABELS)
_AUDIO_S = Counter("luthier_train_audio_seconds_total", "Seconds of audio trained on by this process.", _LABELS)
_STEP_TIME = Histogram("luthier_train_step_seconds", "Time of a step, mean of an interval.", _LABELS, buckets=_STEP_S)
_INPUT_WAIT = Counter("luthier_train_input_wait_seconds_total", "Time that steps waited for their batch.", _LABELS)
_AGE = Gauge("luthier_train_checkpoint_age_seconds", "Time since the newest checkpoint was written.", _LABELS)
_SAVE_TIME = Histogram("luthier_train_checkpoint_seconds", "Time to write a checkpoint.", _LABELS, buckets=_SAVE_S)
_SAVE_BYTES = Gauge("luthier_train_checkpoint_bytes", "Size of the newest checkpoint.", _LABELS)
_RESTARTS = Gauge("luthier_train_restarts", "Times a process resumed the training.", _LABELS)
_ROLLBACKS = Gauge("luthier_train_rollbacks", "Times the training diverged and was rolled back.", _LABELS)
_TRACES = Gauge("luthier_train_traces", "Times the step was traced; above 1, its shapes change.", _LABELS)
_GPU = Gauge("luthier_train_gpu_memory_bytes", "Memory of the GPU that TensorFlow uses.", [*_LABELS, "kind"])


class Metrics:
    """The metrics of one training."""

    def __init__(self, family: str, synth: str, settings: TrainSettings) -> None:
        self._labels = {"family": family, "synth": synth}
        self._settings = settings
        self._saved_time = time.time()
        _MAX_STEPS.labels(**self._labels).set(settings.max_steps)
        _AGE.labels(**self._labels).set_function(lambda: time.time() - self._saved_time)

    def set_position(self, step: int, restarts: int, rollbacks: int) -> None:
        """Sets the position of the training."""
        _STEP.labels(**self._labels).set(step)
        _RESTARTS.labels(**self._labels).set(restarts)
        _ROLLBACKS.labels(**self._labels).set(rollbacks)

    def set_device(self, learning_rate: float, traces: int, memory_bytes: dict[str, int]) -> None:
        """Sets the learning rate, how often the step was traced, and the GPU memory in use."""
        _RATE.labels(**self._labels).set(learning_rate)
        _TRACES.labels(**self._labels).set(traces)
        for kind, used in memory_bytes.items():
            _GPU.labels(**self._labels, kind=kind).set(used)

    def set_loss(self, split: str, value: float) -> None:
        """Sets the newest loss of a split."""
        _LOSS.labels(**self._labels, split=split).set(value)

    def add_steps(self, step: int, steps: int, seconds: float, waited_s: float) -> None:
        """Adds `steps` steps, up to `step`; they took `seconds`, of which `waited_s` waiting for batches."""
        examples = steps * self._settings.batch_size
        _STEP.labels(**self._labels).set(step)
        _EXAMPLES.labels(**self._labels).inc(examples)
        _AUDIO_S.labels(**self._labels).inc(examples * self._settings.crop_samples / SAMPLE_RATE_HZ)
        _INPUT_WAIT.labels(**self._labels).inc(waited_s)
        for _ in range(steps):
            _STEP_TIME.labels(**self._labels).observe(seconds / steps)

    def add_checkpoint(self, seconds: float, size_bytes: int) -> None:
        """Adds a checkpoint."""
        self._saved_time = time.time()
        _SAVE_TIME.labels(**self._labels).observe(seconds)
        _SAVE_BYTES.labels(**self._labels).set(size_bytes)
