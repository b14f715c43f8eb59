"""The trainings of a process, one or several side by side: each from its configuration to its model."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import Any

from components.artifacts.model_card import CONFIG_NAME, MODEL_DIR
from components.artifacts.run_record import FAILED, FINISHED
from components.config.settings import PRETRAINED, TrainSettings, train_settings
from components.core.errors import InputError, StepError
from components.core.text import counted
from components.nsynth.sorted_set import SortedSet
from components.synths import compilation_cache, instrument
from components.synths import model as models
from components.synths.ddsp_imports import gin, tf
from components.telemetry import log
from components.train.checkpoints import Checkpoints, Snapshot, Weights, disk_full_as_step_error
from components.train.dataset import Dataset
from components.train.devices import Devices, assign_devices, exit_if_peer_died, full_memory_as_step_error
from components.train.directory_sync import DirectorySync
from components.train.loop import Loop
from components.train.metrics import Metrics
from components.train.mlflow_logger import MlflowLogger
from components.train.note_cache import NoteCache
from components.train.outputs import Outputs
from components.train.progress import ProgressBar, progress_bars
from components.train.results import card_of, outcome_of
from components.train.start import (
    TrainingPlan,
    begins_pretrained,
    load_weights,
    pretrained_weights,
    set_initial_weights,
)
from components.train.state import State, StopReason
from components.train.summaries import Summaries
from components.train.tensorflow_trainer import TensorFlowTrainer
from components.train.termination import Termination
from components.train.workers import Workers

_LOG = log.get(__name__)
_BUILDING = threading.Lock()  # gin's configuration is global, and HDF5 is not thread-safe: one training at a time


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
        weights = [] if self.snapshot else self._other_weights()
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
            with _BUILDING, models.configured(self.config):
                return [weight.numpy() for weight in initial_model(seed, weights).weights]

        with models.configured(self.config):
            train_settings()  # makes them part of the operative configuration
            model = initial_model(self.settings.seed, weights)
            trainer = TensorFlowTrainer(model, self.settings, self.devices, initial_weights)
            return model, trainer, gin.operative_config_str()

    def _other_weights(self) -> list[Any]:
        """Returns the weights of another model to begin with; none for random ones."""
        record = self.plan.record
        if record.warm_start:
            return load_weights(record.warm_start)
        return pretrained_weights(record) if self.settings.initial_weights == PRETRAINED else []


class Training:
    """One training, ready to run."""

    def __init__(
        self,
        setup: Setup,
        dataset: Dataset,
        directory: DirectorySync,
        termination: Termination,
        tracking_uri: str,
    ) -> None:
        """Builds the model, compiles its step, and restores the newest checkpoint.

        Args:
            setup: The training.
            dataset: Notes to train and to validate on.
            directory: Its local directory.
            termination: Tells whether the process was asked to end.
            tracking_uri: MLflow's tracking URI; "" to log nothing there.

        Raises:
            InputError: The configured values do not make a model, or the checkpoint is of another one.
        """
        self.plan, self.settings = setup.plan, setup.settings
        self._setup, self._dataset, self._directory = setup, dataset, directory
        with self._one_line_if_memory_is_full():
            self._model, self._trainer, self._config = setup.build()
        record, local_dir = self.plan.record, directory.local_dir
        metrics, self._summaries = Metrics(record.family, record.synth, self.settings), Summaries(local_dir)
        outputs = Outputs(local_dir, setup.checkpoints, metrics, self._summaries, directory.publish)
        pretrained = begins_pretrained(record, self.settings)
        self._loop = Loop(self._trainer, dataset, self.settings, outputs, setup.snapshot, termination, pretrained)
        self._logger = MlflowLogger(self.plan, self._config, local_dir, tracking_uri if setup.devices.is_chief else "")

    @property
    def state(self) -> State:
        """The state of the training."""
        return self._loop.state

    def compile(self) -> None:
        """Has everything compiled that the training needs, before its clock starts."""
        with self._one_line_if_memory_is_full():
            self._trainer.compile()

    def run(self, bar: ProgressBar) -> None:
        """Trains to the end and writes the model; the run record says how it ended.

        Args:
            bar: Shows the progress.

        Raises:
            StepError: The training diverged once too often, or the disk is full.
            SystemExit: The process was asked to end; a checkpoint has been written.
        """
        status = "FAILED"
        try:
            disk = disk_full_as_step_error(f"cannot write to '{self._directory.local_dir}'")
            with disk, self._one_line_if_memory_is_full():
                self.plan.writer.update()
                self._logger.start()
                (self._directory.local_dir / CONFIG_NAME).write_text(self._config)
                reason = self._train(bar)
                with _BUILDING:
                    self._finish(reason)
            status = "FINISHED"
        except StepError as error:
            with suppress(InputError, StepError):  # if the disk is full, the error below says so
                self.plan.writer.update(status=FAILED, failure=str(error))
            raise
        except SystemExit:
            status = "KILLED"
            raise
        finally:
            self._logger.close(status)

    def _one_line_if_memory_is_full(self) -> AbstractContextManager[None]:
        return full_memory_as_step_error(self.plan.name, self.settings)

    def _train(self, bar: ProgressBar) -> StopReason:
        name = self.plan.name
        _LOG.info("%s: %s; validation: %s", name, counted(len(self._dataset.train), "note"), self._dataset.validation)
        if self.state.restarts:
            _LOG.info("%s resumes at step %d", name, self.state.step)
        reason = self._loop.run(bar)
        _LOG.info("%s stops at step %d: %s", name, self.state.step, reason.text)
        _LOG.info("%s took %.0f s, %.1f s of them waiting for batches", name, self.state.seconds, self.state.waited_s)
        return reason

    def _finish(self, reason: StopReason) -> None:
        """Writes the model and, last, the record that commits the training."""
        self._trainer.set_weights(self._loop.best)
        card = card_of(self.plan.record, self.state, self._dataset)
        card = replace(
            card, loudness_definition=self._setup.loudness_definition, num_parameters=self._model.count_params()
        )
        instrument.save(self._model, card, self._config, self._directory.local_dir / MODEL_DIR)
        note = self._dataset.valid
        resynthesis = instrument.Instrument(self._model, card, self._config).play(note.f0_hz[:1], note.loudness_db[:1])
        sounds = {"model/original": note.audio[0], "model/resynthesis": resynthesis["audio"][0]}
        self._summaries.add_audio(self.state.step, sounds)
        self._summaries.flush()
        self._directory.publish()
        outcome = outcome_of(self.state, reason, self._dataset.validation)
        self.plan.writer.update(status=FINISHED, failure="", outcome=outcome)


def run_trainings(
    data: SortedSet,
    plans: Sequence[TrainingPlan],
    directories: Sequence[DirectorySync],
    workers: Workers | None,
    termination: Termination,
    tracking_uri: str = "",
) -> None:
    """Runs trainings to their ends, from the newest checkpoints on. The plans' records say how each ended.

    Several trainings, of one family, share the notes and run side by side, each in a thread.

    Args:
        data: The sorted set.
        plans: The trainings.
        directories: Their local directories.
        workers: The workers that train together; None if this process trains alone.
        termination: Tells whether the process was asked to end.
        tracking_uri: MLflow's tracking URI; "" to log nothing there.

    Raises:
        InputError: A configuration, the data or a checkpoint is at fault.
        StepError: A training diverged, or the disk is full. The other ones have come to their ends.
        SystemExit: The process was asked to end; checkpoints have been written.
    """
    with exit_if_peer_died(workers):
        devices = assign_devices(len(plans), workers)
    if workers:
        termination.install()
    setups = [Setup.read(plan, on) for plan, on in zip(plans, devices, strict=True)]
    family, first = plans[0].record.family, setups[0]
    title = f"train {plans[0].name if len(plans) == 1 else family}"
    with (
        NoteCache(first.settings.memory_mb, title, first.loudness_definition) as cache,
        compilation_cache.removed_if_damaged(),
        exit_if_peer_died(workers),
    ):
        dataset = Dataset.read(data, family, first.settings.valid_notes, cache)
        trainings = [
            Training(setup, dataset, directory, termination, tracking_uri)
            for setup, directory in zip(setups, directories, strict=True)
        ]
        if len(trainings) > 1:  # each would count the others' compiling as its own time
            for training in trainings:
                training.compile()
        names = [plan.record.synth for plan in plans]
        totals, done = [each.settings.max_steps for each in trainings], [each.state.step for each in trainings]
        with termination.polled(), progress_bars(title, names, totals, done) as bars:
            run_side_by_side(trainings, bars)


def run_side_by_side(trainings: Sequence[Training], bars: Sequence[ProgressBar]) -> None:
    """Runs trainings to their ends, even if one fails; then raises what went wrong."""
    if len(trainings) == 1:
        trainings[0].run(bars[0])
        return
    failures: list[StepError] = []
    exit_requested: SystemExit | None = None
    with ThreadPoolExecutor(len(trainings), "train") as pool:
        runs = {pool.submit(each.run, bar): each for each, bar in zip(trainings, bars, strict=True)}
        for run in as_completed(runs):
            try:
                run.result()
            except StepError as error:
                _LOG.error("%s: %s", runs[run].plan.name, error)
                failures.append(StepError(f"{runs[run].plan.name}: {error}"))
            except SystemExit as error:
                exit_requested = error
    if exit_requested:
        raise exit_requested
    if failures:
        raise StepError("; ".join(map(str, failures)))
