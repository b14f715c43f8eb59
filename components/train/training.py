"""One training, from its configuration to its model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from components.artifacts.model_card import CONFIG_NAME, MODEL_DIR, ModelCard, Percentiles
from components.artifacts.run_record import FAILED, FINISHED, Outcome, RunRecord, utc_now
from components.config.settings import train_settings
from components.core.errors import InputError, StepError
from components.synths import instrument
from components.synths import model as models
from components.synths.ddsp_imports import gin, tf
from components.telemetry import log
from components.train.checkpoints import Checkpoints, no_room_is_one_line
from components.train.dataset import Material
from components.train.devices import Devices
from components.train.directory_sync import Mirror
from components.train.loop import Loop
from components.train.metrics import Watch
from components.train.mlflow_logger import Tracker
from components.train.outputs import Outlets
from components.train.plan import Plan
from components.train.progress_bars import Bar
from components.train.state import State
from components.train.stopping import Verdict
from components.train.termination import Termination
from components.train.trainer import Trainer
from components.train.warm_start import begin_with, weights_of

_LOG = log.get(__name__)


class Training:
    """One training: `build` it, `begin`, `run`, and `end`. gin's configuration is needed while it is built, not later.

    Attributes:
        plan: What it is to be.
        settings: The preset's, with the user's bindings.
        loudness_definition: Which loudness the model is to hear; see loudness.loudness_db.
    """

    def __init__(self, plan: Plan, devices: Devices, mirror: Mirror, termination: Termination) -> None:
        """Reads what an earlier process has left.

        Args:
            plan: What it is to be.
            devices: What to compute on.
            mirror: The local training directory.
            termination: Says when to save and leave.

        Raises:
            InputError: The configuration or the checkpoints are at fault.
        """
        self.plan, self._devices, self._mirror, self._termination = plan, devices, mirror, termination
        record = plan.record
        self._config = plan.config or models.config_text(record.synth, record.preset, record.bindings)
        with models.configured(self._config):
            self.settings = train_settings()
            self.loudness_definition = models.loudness_definition(self.settings.crop_samples)
        devices.check(self.settings.batch_size)
        self._checkpoints = Checkpoints(plan.training_dir.uri, read_only=not devices.is_chief)
        self._snapshot = self._checkpoints.newest()

    def build(self, material: Material, tracking_uri: str) -> None:
        """Makes the model, traces its step, and goes to where an earlier process was.

        Args:
            material: Notes to learn from and to validate on.
            tracking_uri: Of the MLflow that the curves are shown in; "" for none.

        Raises:
            InputError: The configured values do not make a model, or the checkpoint is of another one.
        """
        plan, settings, self._material = self.plan, self.settings, material
        warm = plan.record.warm_start if self._snapshot is None else None
        weights = weights_of(warm.uri) if warm else []
        tf.config.experimental.enable_tensor_float_32_execution(settings.tf32)
        with models.configured(self._config):
            train_settings()  # for gin to note them among what is in force
            tf.keras.utils.set_random_seed(settings.seed)
            with self._devices.scope():
                self._model = models.build(settings.precision)
                if warm:
                    begin_with(self._model, weights, warm.uri)
            self._trainer = Trainer(self._model, settings, self._devices)
            self._config = gin.operative_config_str()
        watch = Watch(plan.record.family, plan.record.synth, settings)
        outlets = Outlets(self._mirror.folder, self._checkpoints, watch, self._mirror.publish)
        self._loop = Loop(self._trainer, material, settings, outlets, self._snapshot, self._termination)
        self._tracker = Tracker(plan, self._config, self._mirror.folder, tracking_uri if self._devices.is_chief else "")

    @property
    def state(self) -> State:
        """Where it is."""
        return self._loop.state

    def begin(self) -> None:
        """Writes run.json and the configuration: from here on there is a training in the directory."""
        self.plan.writer.update()
        self._tracker.start()
        (self._mirror.folder / CONFIG_NAME).write_text(self._config)

    def run(self, bar: Bar) -> Verdict:
        """Trains to the end; raises what Loop.run raises."""
        name, state = self.plan.name, self.state
        with no_room_is_one_line(f"cannot write to '{self._mirror.folder}'"):
            _LOG.info("%s: %d notes; validation: %s", name, len(self._material.train), self._material.validation)
            if state.restarts:
                _LOG.info("%s goes on from step %d", name, state.step)
            over = self._loop.run(bar)
        state = self.state
        _LOG.info("%s stops at step %d: %s", name, state.step, over.reason)
        _LOG.info("%s took %.0f s, of which it waited %.1f s for its input", name, state.seconds, state.waited_s)
        return over

    def end(self, run: Callable[[], Verdict]) -> None:
        """Waits for a run to end, and makes a finished training of it, or notes why it is none.

        Args:
            run: Returns what `run` returned, or raises what it raised.
        """
        status = "FAILED"
        try:
            self._finish(run())
            status = "FINISHED"
        except StepError as error:
            with suppress(InputError, StepError):  # where there is no room for it either, the error says what happened
                self.plan.writer.update(status=FAILED, failure=str(error))
            raise
        except SystemExit:
            status = "KILLED"
            raise
        finally:
            self._tracker.close(status)

    def _finish(self, over: Verdict) -> None:
        """Writes the model and, last, the record that says that the rest is there."""
        with no_room_is_one_line(f"cannot write to '{self._mirror.folder}'"):
            self._trainer.use(self._loop.best)
            self._save_model()
            self._mirror.publish()
        outcome = _outcome(self.state, over, self._material)
        self.plan.writer.update(status=FINISHED, failure="", outcome=outcome)

    def _save_model(self) -> None:
        """Writes model/, and for TensorBoard what that plays."""
        folder, note = self._mirror.folder / MODEL_DIR, self._material.valid
        card = _card(self.plan.record, self.state, self._material.train.percentiles())
        card = replace(card, loudness_definition=self.loudness_definition, num_parameters=self._model.count_params())
        instrument.save(self._model, card, self._config, folder)
        played = instrument.Instrument(self._model, card, self._config).play(note.f0_hz[:1], note.loudness_db[:1])
        sounds = {"model/original": note.audio[0], "model/played": played["audio"][0]}
        self._loop.summaries.add_sounds(self.state.step, sounds)
        self._loop.summaries.flush()


def _card(record: RunRecord, state: State, percentiles: dict[str, Percentiles]) -> ModelCard:
    return ModelCard(
        family=record.family,
        synth=record.synth,
        preset=record.preset,
        data_fingerprint=record.data_fingerprint,
        steps=state.best_step,
        valid_loss=state.best_loss,
        f0_hz=percentiles["f0_hz"],
        loudness_db=percentiles["loudness_db"],
    )


def _outcome(state: State, over: Verdict, material: Material) -> Outcome:
    return Outcome(
        finished=utc_now(),
        steps=state.step,
        first_spectral_loss=state.first_loss,
        last_spectral_loss=state.last_loss,
        best_step=state.best_step,
        best_valid_loss=state.best_loss,
        stopped_by=over.by,
        stop_reason=over.reason,
        seconds=round(state.seconds, 1),
        input_wait_s=round(state.waited_s, 3),
        restarts=state.restarts,
        rollbacks=tuple(state.rollbacks),
        validation=material.validation,
    )
