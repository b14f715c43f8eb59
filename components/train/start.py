"""Where a training begins: what is in its directory already, and what the user wants of it."""

from __future__ import annotations

from typing import Literal

from components.artifacts.run_record import RECORD_NAME, RunRecord, check_same_training
from components.artifacts.training_dir import CHECKPOINTS_DIR, TrainingDir
from components.core.errors import InputError
from components.train import checkpoints

# continue: goes on with what is there, else begins. resume: goes on, or it is an error. restart: begins anew.
Start = Literal["continue", "resume", "restart"]


def earlier(record: RunRecord, out_uri: str, start: Start, reads_only: bool = False) -> RunRecord | None:
    """Returns the run record of an earlier process of the same training; None where the training begins.

    Args:
        record: The training's run record as it would be written now.
        out_uri: Its directory.
        start: What the user wants.
        reads_only: Another process is the one that removes what is to begin anew.

    Raises:
        InputError: There is another training; or what was to be resumed is missing, all of it or the checkpoints.
    """
    saved, training_dir = checkpoints.Checkpoints(out_uri).any(), TrainingDir(out_uri)
    found = training_dir.read_record() if start != "restart" else None
    if start == "restart":
        if not reads_only:
            training_dir.clear()
        return None
    if found:
        check_same_training(found, record, out_uri)
    if found is None and saved:
        raise InputError(
            f"'{out_uri}' has checkpoints but no {RECORD_NAME} to tell what they are of: "
            "copy it back, try another --out, or begin anew with --restart"
        )
    if found is None and start == "resume":
        raise InputError(f"there is no training to resume in '{out_uri}': try without --resume to begin one")
    if found and not found.is_finished and not saved and (start == "resume" or _has_trained(training_dir)):
        raise InputError(
            f"'{out_uri}' has a training without any checkpoint to resume from: copy {CHECKPOINTS_DIR}/ back, "
            "try another --out, or begin anew with --restart"
        )
    return found


def _has_trained(training_dir: TrainingDir) -> bool:
    """Tells whether there was a step: the first checkpoint is written before it."""
    return any(line["split"] == "train" for line in training_dir.metrics())
