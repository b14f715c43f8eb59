"""The numbers of TRAINING_VERSION: a few steps of each synth, and the settings of each preset.

`python -m tests.train.golden` stores them.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from gin import config_parser

from components.artifacts.metrics_log import read_lines
from components.config.catalog import PRESETS, SYNTHS, gin_files
from components.config.settings import TrainSettings
from components.synths.xla import without_xla
from components.train.checkpoints import Checkpoints
from components.train.step import train
from tests.notes import make_note, write_sorted_set

DIRECTORY = Path(__file__).parent
RTOL = 1e-3
"""Of losses, gradients and weights. XLA instead of TensorFlow's kernels, other rounding, moves them by less than 1e-4;
a learning rate or a loss weight that is 1% larger moves some by more."""

_STEPS = 6
_BINDINGS = (f"train.max_steps = {_STEPS}", "train.log_every_steps = 1", "train.eval_every_steps = 3")
_SMALL = ("RnnFcDecoder.ch = 32", "RnnFcDecoder.rnn_channels = 32", "train.batch_size = 2", "train.crop_samples = 4160")
CASES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    **{synth: (synth, "smoke", ()) for synth in SYNTHS},
    "harmonic of the preset vst": ("harmonic", "vst", _SMALL),
}
"""Synth, preset and bindings of the trainings; the preset vst has another preprocessor."""

_NOT_NUMBERS = ("checkpoint_every_s", "memory_mb", "sound_every_steps", "log_every_steps")
"""Settings of `train` that decide no number of a training."""


def write_notes(directory: Path) -> str:
    """Writes the notes of all trainings as a sorted set; returns its URI."""
    notes = {
        "train": [make_note(pitch=pitch) for pitch in (50, 57, 64, 69)],
        "valid": [make_note(pitch=60, seed=1), make_note(pitch=45, seed=2)],
    }
    return write_sorted_set(directory / "sorted", notes)


def trained_numbers(case: str, data_uri: str, out: Path) -> dict[str, Any]:
    """Trains a case without XLA and returns its numbers by name."""
    synth, preset, bindings = CASES[case]
    with without_xla():
        train(data_uri, synth, str(out), "string", preset, [*_BINDINGS, *bindings])
    found: dict[str, Any] = {}
    for line in read_lines(out / "metrics.jsonl"):
        moment = f"step {line['step']}" if line["split"] == "train" else f"validation at step {line['step']}"
        for name in ("spectral_loss", "grad_norm", "learning_rate"):
            if name in line:
                found[f"{name} of {moment}"] = line[name]
    snapshot = Checkpoints(str(out)).newest()
    assert snapshot is not None
    weights = [array for name, array in snapshot.arrays.items() if name.startswith("weights/")]
    found["number of weights"] = sum(array.size for array in weights)
    found["mean size of the weights"] = float(
        f"{sum(abs(array).sum() for array in weights) / found['number of weights']:.6g}"
    )
    return found


def configuration(synth: str, preset: str) -> dict[str, str]:
    """Returns every binding of a synth's and a preset's gin files that decides numbers, and the defaults of `train`."""
    bound = {f"train.{field.name}": repr(field.default) for field in fields(TrainSettings)}
    for path in gin_files(synth, preset):
        for statement in config_parser.ConfigParser(path.read_text(), _References()):
            name = f"{statement.scope}/" if statement.scope else ""
            bound[f"{name}{statement.selector}.{statement.arg_name}"] = repr(statement.value)
    return {name: bound[name] for name in sorted(bound) if name.removeprefix("train.") not in _NOT_NUMBERS}


def configurations() -> dict[str, dict[str, str]]:
    """Returns `configuration` of every synth and preset."""
    return {f"{preset} {synth}": configuration(synth, preset) for preset in PRESETS for synth in SYNTHS}


class _Reference(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class _References(config_parser.ParserDelegate):  # type: ignore[misc]
    """Reads references and macros as texts."""

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> Any:
        return _Reference(f"@{scoped_configurable_name}{'()' if evaluate else ''}")

    def macro(self, macro_name: str) -> Any:
        return _Reference(f"%{macro_name}")
