"""How a training starts: from scratch, from its own checkpoint, or with the weights of another model.

No TensorFlow is imported before `load_weights` is called.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from components import storage
from components.artifacts.model_card import CONFIG_NAME, WEIGHTS_NAME, ModelCard, find_model
from components.artifacts.run_record import (
    RECORD_NAME,
    RUNNING,
    RunRecord,
    RunRecordWriter,
    WarmStart,
    check_same_training,
)
from components.artifacts.training_dir import CHECKPOINTS_DIR, TrainingDir, training_name
from components.config.bindings import read_configuration
from components.config.settings import PRETRAINED, TrainSettings
from components.core.errors import InputError
from components.core.text import counted
from components.synths import pretrained
from components.telemetry import log
from components.train.checkpoints import Checkpoints

_LOG = log.get(__name__)

StartMode = Literal["continue", "resume", "restart"]
"""continue: resume the training in the directory, or start one. resume: fail if there is none. restart: delete it."""


@dataclass(frozen=True)
class TrainingPlan:
    """A training that is about to start or to resume.

    Attributes:
        writer: Writes its run record.
        config: Its gin configuration; None for that of the record's synth, preset and bindings.
        training_dir: Its directory.
    """

    writer: RunRecordWriter
    config: str | None
    training_dir: TrainingDir

    @property
    def record(self) -> RunRecord:
        """The newest run record."""
        return self.writer.record

    @property
    def name(self) -> str:
        """Its name, "string-harmonic"."""
        return training_name(self.record.family, self.record.synth)

    @classmethod
    def of(
        cls, record: RunRecord, config: str | None, out_uri: str, mode: StartMode, read_only: bool = False
    ) -> TrainingPlan:
        """Returns the plan of a training, with the record of an earlier process of it if there is one.

        Args:
            record: The record of a training that starts now.
            config: See above.
            out_uri: Its directory.
            mode: What to do about a training in it.
            read_only: Another process writes to the directory, or this one only checks what it would do.

        Raises:
            InputError: There is another training; or what should be resumed is missing, all of it or the
                checkpoints, or is of a newer release; or the model whose weights it should start with is missing or
                refused.
        """
        training_dir = TrainingDir(out_uri)
        if mode == "restart":
            found = None
            if not read_only and (storage.exists(training_dir.record_uri) or Checkpoints(out_uri).any()):
                training_dir.clear()
        else:
            found = _earlier_record(record, training_dir, mode)
        if found and (found.is_finished or not read_only) and found.warm_start != record.warm_start:
            model = found.warm_start.uri if found.warm_start else "none"
            name = training_name(record.family, record.synth)
            _LOG.warning("%s keeps the initial weights that it started with: %s", name, model)
        if found is None and record.warm_start and read_only:
            check_warm_start(record.warm_start.uri)
        if found and not found.is_finished:
            found = _resumed(record, found)
            if not read_only:
                storage.delete(training_dir.evaluation_uri)  # of the model where it had stopped before
        return cls(RunRecordWriter(training_dir.record_uri, found or record, read_only), config, training_dir)


def _earlier_record(record: RunRecord, training_dir: TrainingDir, mode: StartMode) -> RunRecord | None:
    found, out_uri = training_dir.read_record(), training_dir.uri
    has_checkpoints = Checkpoints(out_uri).any()
    if found:
        check_same_training(found, record, out_uri)
        found = _with_stop_of(record, found, out_uri)
    if found and not found.is_finished:
        Checkpoints(out_uri).check_release()
    if found is None and has_checkpoints:
        raise InputError(
            f"'{out_uri}' has checkpoints but no {RECORD_NAME} that says what they are of: "
            "copy it back, try another directory, or start again with `luthier train --restart`"
        )
    if found is None and mode == "resume":
        raise InputError(f"there is no training to resume in '{out_uri}': try without --resume to start one")
    if found and not found.is_finished and not has_checkpoints and (mode == "resume" or _has_trained(training_dir)):
        raise InputError(
            f"'{out_uri}' has a training without any checkpoint to resume from: copy {CHECKPOINTS_DIR}/ back, "
            "try another directory, or start again with `luthier train --restart`"
        )
    return found


def _with_stop_of(record: RunRecord, found: RunRecord, out_uri: str) -> RunRecord:
    """Returns the record of an earlier process: unfinished again, if the training is now to stop later."""
    stop = record.stop_settings
    if found.outcome is None or not found.is_finished or found.has_reached(stop):
        return found
    if isinstance(stop["max_steps"], int) and found.outcome.steps > stop["max_steps"]:
        raise InputError(
            f"'{out_uri}' holds this training after {counted(found.outcome.steps, 'step')}, train.max_steps is "
            f"{stop['max_steps']}: expected more; try another directory, or start again with `luthier train --restart`"
        )
    return replace(found, status=RUNNING, outcome=None)


def _has_trained(training_dir: TrainingDir) -> bool:
    """Returns whether there was a step: the first checkpoint is written before it."""
    return any(line["split"] == "train" for line in training_dir.metrics())


def _resumed(record: RunRecord, found: RunRecord) -> RunRecord:
    """Returns the record of a training that resumes: of this process, but what was decided at its start stays."""
    return replace(
        record,
        warm_start=found.warm_start,
        started=found.started or record.started,
        mlflow_run_id=found.mlflow_run_id,
        config_fingerprint=record.config_fingerprint if found.config_fingerprint is None else found.config_fingerprint,
    )


def find_warm_start(uri: str) -> WarmStart:
    """Returns the model whose weights a training starts with.

    Args:
        uri: A model directory, or the training directory around it.

    Raises:
        InputError: There is no model, or its card or its configuration is refused.
    """
    model_uri = find_model(uri)
    check_warm_start(model_uri)
    return WarmStart(model_uri, ModelCard.read(model_uri).crc32c.get(WEIGHTS_NAME, ""))


def check_warm_start(model_uri: str) -> None:
    """Checks a model before the notes are read and before anything is written.

    Raises:
        InputError: There is no model, or its card or its configuration is refused.
    """
    ModelCard.read(model_uri)
    read_configuration(storage.join(model_uri, CONFIG_NAME))


def load_weights(warm_start: WarmStart) -> list[Any]:
    """Returns a model's weights; InputError if it is damaged. Not to be called inside models.configured."""
    from components.synths.instrument import Instrument

    weights: list[Any] = Instrument.load(warm_start.uri).model.get_weights()
    return weights


def begins_pretrained(record: RunRecord, settings: TrainSettings) -> bool:
    """Tells whether a training begins with the weights that come with its preset.

    Raises:
        InputError: The preset comes with none.
    """
    if record.warm_start or settings.initial_weights != PRETRAINED:
        return False
    if record.preset not in pretrained.PRESETS:
        raise InputError(
            f"train.initial_weights is 'pretrained', but the preset {record.preset} comes with no weights: expected "
            f"'random', or one of the presets {' and '.join(pretrained.PRESETS)}"
        )
    return not pretrained.other_network(record.bindings)


def other_weights(record: RunRecord, settings: TrainSettings) -> list[Any]:
    """Returns the weights of another model that a training begins with; none for random ones.

    Raises:
        InputError: The preset comes with no weights, or the model's are damaged.
    """
    if record.warm_start:
        return load_weights(record.warm_start)
    if begins_pretrained(record, settings):
        return pretrained.load(record.preset, record.synth)
    if settings.initial_weights == PRETRAINED:
        binding = pretrained.other_network(record.bindings)
        _LOG.info("training starts with random weights: '%s' may change the network of the pretrained ones", binding)
    return []


def set_initial_weights(model: Any, weights: list[Any], record: RunRecord) -> None:
    """Sets a new model's weights to those of another one, if it is the same network; otherwise only warns.

    Args:
        model: What models.build made.
        weights: What `load_weights` or `other_weights` returned.
        record: Of the training; it tells whose weights they are.
    """
    pretrained_name = f"the pretrained network of the preset {record.preset}"
    name = f"the model '{record.warm_start.uri}'" if record.warm_start else pretrained_name
    if [tuple(weight.shape) for weight in model.weights] != [weight.shape for weight in weights]:
        _LOG.warning("%s is another network: training starts from scratch instead", name)
        return
    model.set_weights(weights)
    _LOG.info("training starts with the weights of %s", name)
