"""Finished trainings as `luthier train` and `luthier evaluate` leave them, with a few bytes for a model."""

import json
from pathlib import Path

from tests.records import finished_record

CONFIG = """
# Parameters for Adam:
# ==============================================================================
Adam.learning_rate = 0.001
train/RnnFcDecoder.output_splits = \\
    (('amps', 1), ('harmonic_distribution', 60))
Autoencoder.decoder = @RnnFcDecoder()
"""


def write_training(
    folder: Path, loss: float | None, data: str = "data-1", steps: int = 600, notes: str = "notes-1", **means: float
) -> str:
    """Writes a training into <root>/runs/<run-id>/<family>-<synth>. Other runs and losses make other models.

    Args:
        folder: Where to.
        loss: Of the model on the held-out notes, and on the validation split.
        data: Fingerprint of what it was trained on.
        steps: Of the training.
        notes: Fingerprint of the held-out notes.
        **means: Further numbers of the evaluation.
    """
    valid_loss = loss
    family, synth = folder.name.split("-")
    card = {"family": family, "synth": synth, "steps": steps, "valid_loss": valid_loss}
    record = finished_record(
        family, synth, steps=steps, valid_loss=valid_loss or 9.0, bindings=("batch_size = 4",), data_fingerprint=data
    )
    (folder / "model").mkdir(parents=True)
    (folder / "model/model.json").write_text(json.dumps(card))
    (folder / "model/weights.h5").write_bytes(f"{folder.parent.name} {folder.name}".encode() * 1000)
    (folder / "run.json").write_text(json.dumps(record.as_dict()))
    (folder / "operative_config.gin").write_text(CONFIG)
    lines = [
        {"step": step, "split": split, "total_loss": 9.0, "spectral_loss": 9.0 - step / steps, "seconds": step / 10}
        for step in range(steps)
        for split in ("train", "valid")
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_evaluation(folder, loss, notes, **{"f0_cents": 8.5, **means})
    return str(folder)


def write_evaluation(folder: Path, loss: float | None, notes: str = "notes-1", **means: float) -> None:
    """Writes what `luthier evaluate` adds."""
    summary = {name: {"mean": mean} for name, mean in {"spectral_loss": loss, "loudness_db": None, **means}.items()}
    found = {"model": {"steps": 9}, "notes_fingerprint": notes, "notes": [{"f0_cents": 1.0}], "summary": summary}
    (folder / "evaluation.json").write_text(json.dumps(found))
    (folder / "report.html").write_text("<!doctype html><title>report</title>")
    (folder / "listening").mkdir(exist_ok=True)
    (folder / "listening/original.flac").write_bytes(b"fLaC")
