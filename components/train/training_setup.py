"""What is known of a training before its notes are read; it builds the model and its trainer."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from components.config.settings import TrainSettings, train_settings
from components.synths import model as models
from components.synths.ddsp_imports import gin, tf
from components.train.checkpoints import Checkpoints, Snapshot, Weights
from components.train.devices import Devices
from components.train.start import TrainingPlan, load_weights, other_weights, set_initial_weights
from components.train.tensorflow_trainer import TensorFlowTrainer

BUILDING = threading.Lock()
"""gin's configuration is global, and HDF5 is not thread-safe: one training at a time builds or saves a model."""


@dataclass(frozen=True)
class Setup:
    """What is known of a training before its notes are read.

    Attributes:
        plan: The training.
        config: Its gin configuration.
        settings: The preset's, with the user's bindings.
        loudness_definition: The loudness that the model takes.
        devices: The devices to compute on.
        checkpoints: Its checkpoints.
        snapshot: The newest one; None if the training starts from scratch.
    """

    plan: TrainingPlan
    config: str
    settings: TrainSettings
    loudness_definition: str
    devices: Devices
    checkpoints: Checkpoints
    snapshot: Snapshot | None

    @classmethod
    def read(cls, plan: TrainingPlan, devices: Devices) -> Setup:
        """Reads the configuration and the newest checkpoint.

        Raises:
            InputError: The configuration is refused, or no checkpoint can be read.
        """
        record = plan.record
        config = plan.config or models.config_text(record.synth, record.preset, record.bindings)
        with models.configured(config):
            settings = train_settings()
            loudness_definition = models.loudness_definition(settings.crop_samples)
        devices.check(settings.batch_size)
        checkpoints = Checkpoints(plan.training_dir.uri, read_only=not devices.is_chief)
        return cls(plan, config, settings, loudness_definition, devices, checkpoints, checkpoints.newest())

    def build(self) -> tuple[Any, TensorFlowTrainer, str]:
        """Returns the model, its trainer, and the operative gin configuration.

        Raises:
            InputError: The configured values do not make a model.
        """
        weights = [] if self.snapshot else other_weights(self.plan.record, self.settings)
        tf.config.experimental.enable_tensor_float_32_execution(self.settings.tf32)

        def initial_model(seed: int, weights: list[Any]) -> Any:
            tf.keras.utils.set_random_seed(seed)
            with self.devices.scope():
                model = models.build(self.settings.precision)
                if weights:
                    set_initial_weights(model, weights, self.plan.record)
            return model

        def initial_weights(seed: int) -> Weights:
            """Returns those of another attempt: without a warm start random ones, since the pretrained ones failed."""
            weights = load_weights(warm) if (warm := self.plan.record.warm_start) else []
            with BUILDING, models.configured(self.config):
                return [weight.numpy() for weight in initial_model(seed, weights).weights]

        with models.configured(self.config):
            train_settings()  # makes them part of the operative configuration
            model = initial_model(self.settings.seed, weights)
            trainer = TensorFlowTrainer(model, self.settings, self.devices, initial_weights)
            return model, trainer, gin.operative_config_str()
