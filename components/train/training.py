"""One training of a process, from its set-up to its model."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from dataclasses import replace

from components.artifacts.model_card import CONFIG_NAME, MODEL_DIR
from components.artifacts.run_record import FAILED, FINISHED
from components.core.errors import InputError, StepError
from components.core.text import counted
from components.synths import instrument
from components.telemetry import log
from components.train.checkpoints import disk_full_as_step_error
from components.train.dataset import Dataset
from components.train.devices import full_memory_as_step_error
from components.train.directory_sync import DirectorySync
from components.train.loop import Loop
from components.train.metrics import Metrics
from components.train.mlflow_logger import MlflowLogger
from components.train.outputs import Outputs
from components.train.progress import ProgressBar
from components.train.results import card_of, outcome_of
from components.train.start import (
    begins_pretrained,
)
from components.train.state import State, StopReason
from components.train.summaries import Summaries
from components.train.termination import Termination
from components.train.training_setup import BUILDING, Setup

_LOG = log.get(__name__)


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
                with BUILDING:
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
