"""Finished trainings as `luthier train` and `luthier evaluate` leave them, with a few bytes for a model."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from components import storage
from components.artifacts import evaluation
from components.artifacts.evaluation import Evaluation
from components.artifacts.model_card import CARD_NAME, CONFIG_NAME, WEIGHTS_NAME, ModelCard
from components.artifacts.outcome import Outcome
from components.artifacts.run_record import FINISHED, RunRecord
from components.artifacts.scores import NoteNumbers, Numbers, Summary
from components.artifacts.training_dir import LISTENING_DIR, TrainingDir
from components.core.versions import TRAINING_VERSION

CONFIG = """
# Parameters for Adam:
# ==============================================================================
Adam.learning_rate = 0.001
train/RnnFcDecoder.output_splits = \\
    (('amps', 1), ('harmonic_distribution', 60))
Autoencoder.decoder = @RnnFcDecoder()
"""


def write_training(
    folder: Path,
    loss: float | None,
    data: str = "data-1",
    steps: int = 600,
    notes: str = "notes-1",
    preset: str = "smoke",
    bindings: Sequence[str] = ("batch_size = 4",),
    data_uri: str = "sorted/set",
    training_version: int = TRAINING_VERSION,
    logged_every: int = 60,
    **means: float,
) -> str:
    """Writes a training into <root>/runs/<run-id>/<family>-<synth>. Other runs and losses make other models.

    Args:
        folder: The training directory.
        loss: Of the model on the held-out notes, and on the validation split.
        data: Fingerprint of the training data.
        steps: Of the training.
        notes: Fingerprint of the held-out notes.
        preset: Of the training.
        bindings: Of the training.
        data_uri: Its sorted set.
        training_version: Of the code that trained it.
        logged_every: Steps from one line of the curves to the next: MLflow takes a second for two thousand points.
        **means: Further numbers of the evaluation; those of a note are this one's.
    """
    training = TrainingDir(str(folder))
    family, synth = training.family_and_synth()
    files = {WEIGHTS_NAME: "AAAAAA=="}
    card = ModelCard(family=family, synth=synth, preset=preset, steps=steps, valid_loss=loss, crc32c=files)
    outcome = Outcome(
        finished="2026-01-01T00:01:00+00:00",
        steps=steps,
        first_spectral_loss=9.0,
        last_spectral_loss=loss or 9.0,
        best_step=3,
        best_valid_loss=loss or 9.0,
        stopped_by="max_steps",
        stop_reason=f"train.max_steps = {steps}",
        seconds=60.0,
        input_wait_s=0.0,
        restarts=0,
    )
    record = RunRecord(
        family=family,
        synth=synth,
        preset=preset,
        bindings=tuple(bindings),
        data_uri=data_uri,
        data_fingerprint=data,
        training_version=training_version,
        started="2026-01-01T00:00:00+00:00",
        status=FINISHED,
        outcome=outcome,
        packages={"tensorflow": "2.21.0"},
        git_commit="abc",
    )
    storage.write_json(training.record_uri, record.as_dict())
    storage.write_json(storage.join(training.model_uri, CARD_NAME), card.as_dict())
    Path(training.model_uri, WEIGHTS_NAME).write_bytes(f"{folder.parent.name} {folder.name}".encode() * 1000)
    (folder / CONFIG_NAME).write_text(CONFIG)
    lines = [
        {"step": step, "split": split, "total_loss": 9.0, "spectral_loss": 9.0 - step / steps, "seconds": step / 10}
        for step in range(0, steps, logged_every)
        for split in ("train", "valid")
    ]
    storage.write_bytes(training.metrics_uri, "".join(json.dumps(line) + "\n" for line in lines).encode())
    write_evaluation(folder, loss, notes, **{"f0_cents": 8.5, **means})
    return str(folder)


def write_evaluation(folder: Path, loss: float | None, notes: str = "notes-1", **means: float) -> None:
    """Writes what `luthier evaluate` adds, all distances in proportion to the loss; None for a loss: no evaluation."""
    training = TrainingDir(str(folder))
    storage.write_bytes(training.report_uri, b"<!doctype html><title>report</title>")
    storage.write_bytes(storage.join(str(folder), LISTENING_DIR, "original.flac"), b"fLaC")
    if loss is None:
        return
    numbers = Numbers(
        spectral_loss=loss,
        log_mel_distance_db=loss,
        mfcc_distance=10 * loss,
        pitch_error_cents=None,
        pitch_heard_share=None,
        loudness_error_db=0.2 * loss,
        noise_balance_db=None,
        silence_level_db=None,
        clipped_share=0.0,
    )
    numbers = replace(numbers, **{name: mean for name, mean in means.items() if name in Numbers.__annotations__})
    scores = {name: value for name, value in asdict(numbers).items() if value is not None}
    found = Evaluation(
        model=ModelCard.read(training.model_uri),
        split="test",
        data_fingerprint="test-1",
        notes_fingerprint=notes,
        notes=[NoteNumbers("note-1", 60, 100, numbers)],
        summary={name: Summary(mean, mean, mean, mean - 1.0, mean + 1.0) for name, mean in {**scores, **means}.items()},
        groups={},
        worst=[],
        samples=[],
        transfers=[],
    )
    evaluation.write(found, str(folder))
