"""Where a training begins: what is in its directory already, and what the user wants of it."""

from __future__ import annotations

from typing import Any, Literal

from components import storage
from components.artifacts import run_record
from components.artifacts.metrics_log import METRICS_NAME, lines_of
from components.artifacts.model_files import CONFIG_NAME, MODEL_FOLDER
from components.core.errors import InputError
from components.train import checkpoints

# continue: goes on with what is there, else begins. resume: goes on, or it is an error. restart: begins anew.
Start = Literal["continue", "resume", "restart"]
_OURS = (run_record.RECORD_NAME, METRICS_NAME, CONFIG_NAME, "evaluation.json", "report.html")
_OUR_FOLDERS = (checkpoints.FOLDER, "summaries", MODEL_FOLDER, "listening")


def earlier(record: dict[str, Any], out_uri: str, start: Start, reads_only: bool = False) -> dict[str, Any] | None:
    """Returns the run.json of an earlier process of the same training; None where the training begins.

    Args:
        record: The training's run.json as it would be written now.
        out_uri: Its directory.
        start: What the user wants.
        reads_only: Another process is the one that removes what is to begin anew.

    Raises:
        InputError: There is another training; or what was to be resumed is missing, all of it or the checkpoints.
    """
    saved = checkpoints.Checkpoints(out_uri).any()
    if start == "restart":
        if not reads_only and (saved or run_record.exists(out_uri)):
            _clear(out_uri)
        return None
    found = run_record.earlier(record, out_uri)
    if found is None and saved:
        raise InputError(
            f"'{out_uri}' has checkpoints but no {run_record.RECORD_NAME} to tell what they are of: "
            "copy it back, try another --out, or begin anew with --restart"
        )
    if found is None and start == "resume":
        raise InputError(f"there is no training to resume in '{out_uri}': try without --resume to begin one")
    if found and found["status"] != "finished" and not saved and (start == "resume" or _has_trained(out_uri)):
        raise InputError(
            f"'{out_uri}' has a training without any checkpoint to resume from: copy {checkpoints.FOLDER}/ back, "
            "try another --out, or begin anew with --restart"
        )
    return found


def _clear(out_uri: str) -> None:
    """Removes a training, its record first: what a kill leaves of the rest is then no training's."""
    for name in _OURS:
        storage.delete(storage.join(out_uri, name))
    for name in _OUR_FOLDERS:
        storage.delete_tree(storage.join(out_uri, name))


def _has_trained(out_uri: str) -> bool:
    """Tells whether there was a step: the first checkpoint is written before it."""
    uri = storage.join(out_uri, METRICS_NAME)
    if not storage.exists(uri):
        return False
    return any(line["split"] == "train" for line in lines_of(storage.read_bytes(uri).decode(errors="replace")))
