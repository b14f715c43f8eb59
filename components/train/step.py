"""Trains one synthesizer on one family of a sorted set."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components import storage
from components.errors import InputError
from components.nsynth.families import check_family
from components.nsynth.note import FRAME_RATE_HZ, SAMPLE_RATE_HZ
from components.nsynth.sorted_set import SortedSet
from components.synths.bindings import check_bindings
from components.synths.catalog import check_preset, check_synth
from components.telemetry import log
from components.train import run_record

if TYPE_CHECKING:
    from components.train.data import Material
    from components.train.loop import Outcome

_LOG = log.get(__name__)
MODEL_FOLDER = "model"


@dataclass(frozen=True)
class TrainResult:
    """A finished training.

    Attributes:
        training_uri: Its directory.
        model_uri: The model in it.
        family: What it was trained on.
        synth: What was trained.
        steps: Steps done.
        first_spectral_loss: Of the validation before the first step.
        last_spectral_loss: Of the last validation.
        valid_loss: The lowest one; the model's.
        best_step: Its step.
        stop_reason: Why it ended.
        reused: It had been finished before; nothing was done.
    """

    training_uri: str
    model_uri: str
    family: str
    synth: str
    steps: int
    first_spectral_loss: float
    last_spectral_loss: float
    valid_loss: float
    best_step: int
    stop_reason: str
    reused: bool

    @classmethod
    def of(cls, record: dict[str, Any], training_uri: str, reused: bool) -> TrainResult:
        """Returns the result that a finished training's run.json tells of."""
        return cls(
            training_uri=training_uri,
            model_uri=storage.join(training_uri, MODEL_FOLDER),
            family=record["family"],
            synth=record["synth"],
            steps=record["steps"],
            first_spectral_loss=record["first_spectral_loss"],
            last_spectral_loss=record["last_spectral_loss"],
            valid_loss=record["best"]["valid_loss"],
            best_step=record["best"]["step"],
            stop_reason=record["stop_reason"],
            reused=reused,
        )


def train(
    data_uri: str,
    synth: str,
    out_uri: str,
    family: str | None = None,
    preset: str = "smoke",
    bindings: Sequence[str] = (),
    run_facts: dict[str, Any] | None = None,
) -> TrainResult:
    """Trains one synthesizer on one family, or goes on where an earlier call with the same arguments was stopped.

    Args:
        data_uri: Root of a sorted set.
        synth: A name of catalog.SYNTHS.
        out_uri: The training directory (contract 3.4); local or gs://.
        family: A family of the set; may be None where the set has one alone.
        preset: A name of catalog.PRESETS.
        bindings: Gin bindings, `configurable.parameter = literal` each; untrusted.
        run_facts: Further entries of run.json.

    Raises:
        InputError: A name is unknown, a binding refused, the data missing, or `out_uri` holds another training.
        StepError: The training diverged.
    """
    check_synth(synth)
    check_preset(preset)
    check_bindings(bindings)
    data = SortedSet.open(data_uri)
    family = _family(data, family)
    record = run_record.describe(data, family, synth, preset, bindings, run_facts)
    before = run_record.earlier(record, out_uri)
    if before and before["status"] == "finished":
        _LOG.info("%s-%s is trained already: %s", family, synth, out_uri)
        return TrainResult.of(before, out_uri, reused=True)
    if before:
        record["started"] = before["started"]
    with _folder(out_uri) as name:
        folder = Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        if before and storage.is_remote(out_uri):
            storage.download_tree(out_uri, folder)
        record |= _train(data, record, folder, out_uri)
        _publish(folder, out_uri)
        # Last: it says that the rest is there.
        storage.write_json(storage.join(out_uri, run_record.RECORD_NAME), record)
    return TrainResult.of(record, out_uri, reused=False)


def _family(data: SortedSet, family: str | None) -> str:
    present = [name for name, records in data.families("train").items() if records]
    if family is None:
        if len(present) != 1:
            raise InputError(f"'{data.uri}' has the families {', '.join(present) or '(none)'}: say which with --family")
        return present[0]
    check_family(family)
    if family not in present:
        raise InputError(f"'{data.uri}' has no {family} in its train split; it has {', '.join(present) or 'nothing'}")
    return family


def _folder(out_uri: str) -> AbstractContextManager[str]:
    """TensorFlow's own files are written locally; for gs:// in a scratch folder that is copied at every checkpoint."""
    return tempfile.TemporaryDirectory() if storage.is_remote(out_uri) else nullcontext(out_uri)


def _publish(folder: Path, out_uri: str) -> None:
    if storage.is_remote(out_uri):
        storage.upload_tree(folder, out_uri)


def _train(data: SortedSet, record: dict[str, Any], folder: Path, out_uri: str) -> dict[str, Any]:
    """Trains in a local folder and returns what to add to the record. TensorFlow is imported in here alone."""
    from components.synths import instrument
    from components.synths import model as models
    from components.synths.ddsp_imports import gin, tf
    from components.synths.settings import train_settings
    from components.train.data import load
    from components.train.loop import Loop

    family, synth = record["family"], record["synth"]
    with models.configured(models.config_text(synth, record["preset"], record["bindings"])):
        settings = train_settings()
        material = load(data, family, settings.valid_notes)
        _LOG.info("%s-%s: %d notes; validation: %s", family, synth, len(material.train), material.validation)
        tf.keras.utils.set_random_seed(settings.seed)
        model = models.build()
        # From here on the directory is this training's; what is wrong with the configuration has been found above.
        storage.write_json(storage.join(out_uri, run_record.RECORD_NAME), record)
        loop = Loop(model, material, settings, folder, on_checkpoint=lambda: _publish(folder, out_uri))
        if loop.step:
            _LOG.info("%s-%s goes on from step %d", family, synth, loop.step)
        outcome = loop.run(family, synth)
        config = gin.operative_config_str()
        loop.checkpoints.use_best()
    (folder / instrument.GIN_NAME).write_text(config)
    card = _card(record, outcome, material, model.count_params())
    instrument.save(model, card, config, folder / MODEL_FOLDER)
    _add_sounds(loop.summaries, instrument.Instrument(model, card, config), material, outcome.steps)
    return _finished(outcome, material)


def _card(record: dict[str, Any], outcome: Outcome, material: Material, parameters: int) -> dict[str, Any]:
    from components.synths.features import LOUDNESS_DEFINITION

    return {
        **{name: record[name] for name in ("family", "synth", "preset", "data_fingerprint")},
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "frame_rate_hz": FRAME_RATE_HZ,
        "loudness": LOUDNESS_DEFINITION,
        "steps": outcome.best_step,
        "valid_loss": outcome.best_loss,
        "num_parameters": parameters,
        **material.train.heard(),
    }


def _add_sounds(summaries: Any, played_by: Any, material: Material, step: int) -> None:
    note = material.valid
    played = played_by.play(note.f0_hz[:1], note.loudness_db[:1])
    summaries.add_sound(step, "held-out/original", note.audio[0])
    summaries.add_sound(step, "held-out/resynthesis", played["audio"][0])
    summaries.flush()


def _finished(outcome: Outcome, material: Material) -> dict[str, Any]:
    return {
        "status": "finished",
        "finished": run_record.now(),
        "steps": outcome.steps,
        "first_spectral_loss": outcome.first_loss,
        "last_spectral_loss": outcome.last_loss,
        "best": {"step": outcome.best_step, "valid_loss": outcome.best_loss},
        "stop_reason": outcome.stop_reason,
        "validation": material.validation,
    }
