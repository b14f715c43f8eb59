"""The work of a training, from its configuration to its model. TensorFlow is imported here, and by no one before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components import storage
from components.nsynth.note import FRAME_RATE_HZ, SAMPLE_RATE_HZ
from components.nsynth.sorted_set import SortedSet
from components.synths import instrument
from components.synths import model as models
from components.synths.ddsp_imports import gin, tf
from components.synths.features import LOUDNESS_DEFINITION
from components.synths.settings import train_settings
from components.telemetry import log
from components.train import run_record
from components.train.checkpoints import Checkpoints, no_room_is_one_line
from components.train.data import Material, load
from components.train.loop import Loop
from components.train.mirror import Mirror
from components.train.result import MODEL_FOLDER
from components.train.staging import Stage
from components.train.state import State
from components.train.stopping import Verdict
from components.train.termination import Termination
from components.train.trainer import Trainer
from components.train.watch import Watch

_LOG = log.get(__name__)


def work(
    data: SortedSet, record: dict[str, Any], config: str | None, out_uri: str, mirror: Mirror, termination: Termination
) -> dict[str, Any]:
    """Trains to the end, from the newest checkpoint on where there is one.

    Args:
        data: The sorted set.
        record: The training's run.json, which is written here as soon as nothing is wrong with the configuration.
        config: The gin configuration; None for that of the record's synth, preset and bindings.
        out_uri: The training directory.
        mirror: Its local folder.
        termination: Says when to save and leave.

    Returns:
        What to add to the record of a finished training.

    Raises:
        InputError: The configuration, the data or the checkpoints are at fault.
        StepError: The training diverged, or there is no room on the disk.
        SystemExit: The process was asked to end; a checkpoint has been written.
    """
    config = config or models.config_text(record["synth"], record["preset"], record["bindings"])
    with models.configured(config), no_room_is_one_line(f"cannot write to '{mirror.folder}'"):
        settings, checkpoints = train_settings(), Checkpoints(out_uri)
        snapshot = checkpoints.newest()
        with Stage(settings.memory_mb, f"train {record['family']}-{record['synth']}") as stage:
            material = load(data, record["family"], settings.valid_notes, stage)
            tf.keras.utils.set_random_seed(settings.seed)
            model = models.build()
            storage.write_json(storage.join(out_uri, run_record.RECORD_NAME), record)

            def publish() -> None:
                (mirror.folder / instrument.GIN_NAME).write_text(gin.operative_config_str())
                mirror.publish()

            watch, trainer = Watch(record["family"], record["synth"], settings), Trainer(model, settings)
            folder = mirror.folder
            loop = Loop(trainer, material, settings, folder, checkpoints, snapshot, termination, watch, publish)
            over = _run(loop, f"{record['family']}-{record['synth']}", material)
            trainer.use(loop.best)
            _save_model(model, _card(record, loop.state, material, model.count_params()), loop, material, folder)
            mirror.publish()
            return _finished(loop.state, over, material)


def _run(loop: Loop, name: str, material: Material) -> Verdict:
    _LOG.info("%s: %d notes; validation: %s", name, len(material.train), material.validation)
    if loop.state.restarts:
        _LOG.info("%s goes on from step %d", name, loop.state.step)
    over = loop.run(f"train {name}")
    state = loop.state
    _LOG.info("%s stops at step %d: %s", name, state.step, over.reason)
    _LOG.info("%s took %.0f s, of which it waited %.1f s for its input", name, state.seconds, state.waited_s)
    return over


def _save_model(model: Any, card: dict[str, Any], loop: Loop, material: Material, folder: Path) -> None:
    """Writes model/, and for TensorBoard what that plays."""
    config = gin.operative_config_str()
    instrument.save(model, card, config, folder / MODEL_FOLDER)
    note = material.valid
    played = instrument.Instrument(model, card, config).play(note.f0_hz[:1], note.loudness_db[:1])
    loop.summaries.add_sounds(loop.state.step, {"model/original": note.audio[0], "model/played": played["audio"][0]})
    loop.summaries.flush()


def _card(record: dict[str, Any], state: State, material: Material, parameters: int) -> dict[str, Any]:
    return {
        **{name: record[name] for name in ("family", "synth", "preset", "data_fingerprint")},
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "frame_rate_hz": FRAME_RATE_HZ,
        "loudness": LOUDNESS_DEFINITION,
        "steps": state.best_step,
        "valid_loss": state.best_loss,
        "num_parameters": parameters,
        **material.train.heard(),
    }


def _finished(state: State, over: Verdict, material: Material) -> dict[str, Any]:
    return {
        "status": "finished",
        "finished": run_record.now(),
        "steps": state.step,
        "first_spectral_loss": state.first_loss,
        "last_spectral_loss": state.last_loss,
        "best": {"step": state.best_step, "valid_loss": state.best_loss},
        "stopped_by": over.by,
        "stop_reason": over.reason,
        "seconds": round(state.seconds, 1),
        "input_wait_s": round(state.waited_s, 3),
        "restarts": state.restarts,
        "rollbacks": state.rollbacks,
        "validation": material.validation,
    }
