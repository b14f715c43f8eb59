"""The same network in two trainings: by Luthier's trainer with its layers, and by ddsp's with ddsp's layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from components.config.settings import TrainSettings, train_settings
from components.nsynth.note import HOP_SAMPLES, SAMPLE_RATE_HZ
from components.synths import model as models
from components.synths.ddsp_imports import gin, tf
from components.train.dataset import Batch
from components.train.devices import Devices
from components.train.tensorflow_trainer import TensorFlowTrainer

# A part of ddsp.training, for which ddsp_imports makes way.
from ddsp.training import trainers  # isort: skip

Features = dict[str, Any]
_INPUTS = ("audio", "f0_hz", "loudness_db", "noise_seed")
_OURS_ALONE = (
    "table_scale_fn",
    "Wavetable.tables",
    "Wavetable.points",
    "Wavetable.band_limited",
    "Sinusoidal.pull",
    "Sinusoidal.fade",
    "Sinusoidal.pull_power",
    "Sinusoidal.reach",
    "SpectralLoss.level_weight",
    "luthier.Reverb",
)
_DDSPS = {
    "RnnFcDecoder": "decoders",
    "SpectralLoss": "losses",
    "Harmonic": "synths",
    "Sinusoidal": "synths",
    "FilteredNoise": "synths",
    "Wavetable": "synths",
}


def stock_config(synth: str, preset: str, bindings: Sequence[str] = ()) -> str:
    """Returns the network as gin text with ddsp's layers only.

    What is no layer stays ours, which is to ddsp's advantage: the loudness is not computed again at every step, and the
    sinusoids start quietly, each in its band.
    """
    config = models.config_text(synth, preset, bindings)
    for ours, ddsps in (
        ("'noise_magnitudes', 'noise_seed']", "'noise_magnitudes']"),
        ("'sin_freqs', 'f0_hz']", "'sin_freqs']"),
        ("('wavetables', %WAVETABLES)", "('wavetables', %WAVETABLE_POINTS)"),
        ("  (@luthier.Reverb(),\n    ['add/signal']),\n", ""),
    ):
        config = config.replace(ours, ddsps)
    for name, module in _DDSPS.items():
        config = config.replace(f"luthier.{name}", f"{module}.{name}")
    # ddsp has one scale function for amplitudes and tables, no dictionary, and tells no pitch to the sinusoids.
    return "\n".join(line for line in config.splitlines() if not any(name in line for name in _OURS_ALONE))


def stock_exactly(synth: str, preset: str, bindings: Sequence[str] = ()) -> str:
    """Returns gin text that renders a network of ddsp with Luthier's layers, without phase drift."""
    ddsps = {
        "wavetable": [
            "WAVETABLES = 128",  # points of the tables that the network outputs
            "luthier.Wavetable.table_scale_fn = @core.exp_sigmoid",
            "luthier.Wavetable.tables = 0",
            "luthier.Wavetable.band_limited = False",
        ],
        "sinusoidal": ["luthier.Sinusoidal.pull = 0.0", "luthier.Sinusoidal.fade = 0.0"],
    }
    return "\n".join([models.config_text(synth, preset, bindings), *ddsps.get(synth, [])])


@contextmanager
def ddsps_layers(text: str) -> Iterator[None]:
    """Makes `text` gin's configuration inside the block, with ddsp's layers: `models.configured` puts ours there."""
    with gin.unlock_config():
        gin.clear_config()
        try:
            gin.parse_config(text)
            yield
        finally:
            gin.clear_config()


def built(frames: int) -> Any:
    """Returns a model for audio of a number of frames; call it inside models.configured."""
    model = models.build()
    models.set_frames(model, frames)
    return model


def seeded(synth: str, preset: str, bindings: Sequence[str] = ()) -> Any:
    """Returns ddsp's network with the initial weights that Luthier's has, where they are the same network."""
    with models.configured(stock_exactly(synth, preset, bindings)):
        tf.keras.utils.set_random_seed(train_settings().seed)
        return models.build()


class Ours:
    """Luthier's trainer.

    Attributes:
        settings: The preset's, with the bindings.
        model: The model that is trained.
    """

    def __init__(self, synth: str, preset: str, bindings: Sequence[str] = ()) -> None:
        """Builds the model; the same seed gives the same weights."""
        self._config = models.config_text(synth, preset, bindings)
        with models.configured(self._config):
            self.settings = train_settings()
            tf.keras.utils.set_random_seed(self.settings.seed)
            self.model = models.build()
            self._trainer = TensorFlowTrainer(self.model, self.settings, Devices())

    def load(self, batch: Batch, step: int) -> Features:
        """Returns the batch of a step on the device, as `step` takes it."""
        return dict(zip(_INPUTS, self._trainer.load(batch, step), strict=True))

    def trace(self, features: Features) -> float:
        """Does the first step, with gin configured, and returns its loss."""
        with models.configured(self._config):
            return self.step(features)

    def step(self, features: Features) -> float:
        """Does a step and waits for it; returns its loss."""
        self.start_step(features)
        return self.wait()

    def start_step(self, features: Features) -> None:
        """Starts a step, as the training loop does."""
        self._trainer.step(tuple(features[name] for name in _INPUTS))

    def wait(self) -> float:
        """Waits for the steps that were started and returns their mean loss."""
        interval = self._trainer.interval()
        self._trainer.new_interval()
        return interval.loss if interval else float("nan")


class Stock:
    """ddsp's Trainer, with the preset's learning rate and its decay.

    Attributes:
        settings: The preset's, with the bindings.
        model: What is trained.
    """

    def __init__(self, synth: str, preset: str, bindings: Sequence[str] = ()) -> None:
        """Builds the model for examples of the preset's length."""
        self._config = stock_config(synth, preset, bindings)
        with ddsps_layers(self._config):
            self.settings = train_settings()
            tf.keras.utils.set_random_seed(self.settings.seed)
            self.model = built(self.settings.crop_samples // HOP_SAMPLES)
            self._trainer = trainers.Trainer(
                self.model,
                tf.distribute.get_strategy(),
                learning_rate=self.settings.learning_rate,
                lr_decay_steps=self.settings.decay_steps,
                lr_decay_rate=self.settings.decay_rate,
                grad_clip_norm=self.settings.grad_clip_norm,
            )

    def trace(self, features: Any) -> float:
        """Does the first step, with gin configured, and returns its loss."""
        with ddsps_layers(self._config):
            return self.step(features)

    def step(self, features: Any) -> float:
        """Does a step with a batch or an iterator of them; returns its loss, as ddsp's loop prints it."""
        self.start_step(features)
        return self.wait()

    def start_step(self, features: Any) -> None:
        """Starts a step without waiting for it."""
        self._losses = self._trainer.train_step(features)

    def wait(self) -> float:
        """Waits for the steps that were started and returns the loss of the last one."""
        return float(self._losses["total_loss"])


def tones(settings: TrainSettings) -> Features:
    """Returns a batch of gliding tones, as long as the examples: f0_hz, loudness_db, audio, noise_seed."""
    random, frames = np.random.default_rng(0), settings.crop_samples // HOP_SAMPLES
    f0_hz = 220 * 2 ** np.cumsum(random.normal(0, 0.005, (settings.batch_size, frames)), axis=1)
    phase = 2 * np.pi * np.cumsum(np.repeat(f0_hz, HOP_SAMPLES, axis=1) / SAMPLE_RATE_HZ, axis=1)
    values = {
        "f0_hz": f0_hz,
        "loudness_db": random.normal(-40, 3, f0_hz.shape),
        "audio": 0.1 * np.sin(phase) + 0.01 * random.normal(size=phase.shape),
    }
    return {**{name: tf.constant(v, tf.float32) for name, v in values.items()}, "noise_seed": tf.constant([0, 0])}
