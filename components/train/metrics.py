"""What Prometheus reads of a training while it runs, on the port in LUTHIER_METRICS_PORT."""

from __future__ import annotations

import time

from prometheus_client import Counter, Gauge, Histogram

from components.config.settings import TrainSettings
from components.nsynth.note import SAMPLE_RATE_HZ
from components.synths.ddsp_imports import tf

_WHO = ["family", "synth"]
_STEP_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SAVE_S = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 20)

_STEP = Gauge("luthier_train_step", "Steps of training done.", _WHO)
_MAX_STEPS = Gauge("luthier_train_max_steps", "Steps that the training ends at.", _WHO)
_LOSS = Gauge("luthier_train_loss", "Spectral loss.", [*_WHO, "split"])
_RATE = Gauge("luthier_train_learning_rate", "Adam's learning rate.", _WHO)
_EXAMPLES = Counter("luthier_train_examples_total", "Examples trained on by this process.", _WHO)
_AUDIO_S = Counter("luthier_train_audio_seconds_total", "Seconds of audio trained on by this process.", _WHO)
_STEP_TIME = Histogram("luthier_train_step_seconds", "Time of a step, mean of an interval.", _WHO, buckets=_STEP_S)
_INPUT_WAIT = Counter("luthier_train_input_wait_seconds_total", "Time that steps waited for their batch.", _WHO)
_AGE = Gauge("luthier_train_checkpoint_age_seconds", "Time since the newest checkpoint was written.", _WHO)
_SAVE_TIME = Histogram("luthier_train_checkpoint_seconds", "Time to write a checkpoint.", _WHO, buckets=_SAVE_S)
_SAVE_BYTES = Gauge("luthier_train_checkpoint_bytes", "Size of the newest checkpoint.", _WHO)
_RESTARTS = Gauge("luthier_train_restarts", "Times a process went on where another one had ended.", _WHO)
_ROLLBACKS = Gauge("luthier_train_rollbacks", "Times the training diverged and went back to a checkpoint.", _WHO)
_TRACES = Gauge("luthier_train_traces", "Times the step was traced; above 1, its shapes change.", _WHO)
_GPU = Gauge("luthier_train_gpu_memory_bytes", "Memory of the GPU that TensorFlow uses.", [*_WHO, "kind"])


class Watch:
    """The metrics of one training."""

    def __init__(self, family: str, synth: str, settings: TrainSettings) -> None:
        self._who = {"family": family, "synth": synth}
        self._settings = settings
        self._gpus = tf.config.list_logical_devices("GPU")
        self._saved_time = time.time()
        _MAX_STEPS.labels(**self._who).set(settings.max_steps)
        _AGE.labels(**self._who).set_function(lambda: time.time() - self._saved_time)

    def at(self, step: int, restarts: int, rollbacks: int) -> None:
        """Tells where the training is."""
        _STEP.labels(**self._who).set(step)
        _RESTARTS.labels(**self._who).set(restarts)
        _ROLLBACKS.labels(**self._who).set(rollbacks)

    def device(self, learning_rate: float, traces: int) -> None:
        """Tells how the device does its steps, and how much of a GPU's memory it needs for them."""
        _RATE.labels(**self._who).set(learning_rate)
        _TRACES.labels(**self._who).set(traces)
        for gpu in self._gpus[:1]:
            used = tf.config.experimental.get_memory_info(gpu.name.removeprefix("/device:"))
            for kind in ("current", "peak"):
                _GPU.labels(**self._who, kind=kind).set(used[kind])

    def loss(self, split: str, value: float) -> None:
        """Tells the newest loss of a split."""
        _LOSS.labels(**self._who, split=split).set(value)

    def trained(self, step: int, steps: int, seconds: float, waited_s: float) -> None:
        """Tells of an interval: `steps` steps up to `step`, in `seconds`, of which `waited_s` were for the input."""
        examples = steps * self._settings.batch_size
        _STEP.labels(**self._who).set(step)
        _EXAMPLES.labels(**self._who).inc(examples)
        _AUDIO_S.labels(**self._who).inc(examples * self._settings.crop_samples / SAMPLE_RATE_HZ)
        _INPUT_WAIT.labels(**self._who).inc(waited_s)
        for _ in range(steps):
            _STEP_TIME.labels(**self._who).observe(seconds / steps)

    def saved(self, seconds: float, size_bytes: int) -> None:
        """Tells of a checkpoint."""
        self._saved_time = time.time()
        _SAVE_TIME.labels(**self._who).observe(seconds)
        _SAVE_BYTES.labels(**self._who).set(size_bytes)
