"""The numbers of TRAINING_VERSION: a few steps of each synth, and the settings of each preset.

`python -m tests.train.golden` stores them.
"""

from __future__ import annotations

import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gin import config_parser

from components import storage
from components.artifacts.metrics_log import read_lines
from components.config.catalog import PRESETS, SYNTHS, gin_files
from components.config.settings import TrainSettings
from components.synths import pretrained
from components.synths.xla import without_xla
from components.train.checkpoints import decode
from components.train.step import train
from tests.notes import make_note, write_sorted_set

DIRECTORY = Path(__file__).parent
RTOL = 1e-3
"""Of losses and sizes. Other rounding (XLA instead of TensorFlow's kernels) moves losses by 5e-6 at most; a loss weight
that is 1% larger moves one by 2.5e-3."""

_STEPS = 6
_WEIGHTS_CHANGE = f"mean change of the weights by step {_STEPS}"
# The L1 loss makes a training chaotic: after a few steps of the presets' size, rounding moves losses by 1% and more. So
# the steps are small, and `_WEIGHTS_CHANGE`, which is proportional to them, shows whether the optimizer is the same.
_LEARNING_RATES = {"harmonic": 1e-4, "sinusoidal": 1e-6, "wavetable": 1e-4}
_BINDINGS = (
    f"train.max_steps = {_STEPS}",
    "train.log_every_steps = 1",
    "train.eval_every_steps = 3",
    "train.checkpoint_every_s = 1000",
)
_SMALL = ("RnnFcDecoder.ch = 32", "RnnFcDecoder.rnn_channels = 32", "train.batch_size = 2", "train.crop_samples = 4160")
CASES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    **{synth: (synth, "smoke", ()) for synth in SYNTHS},
    "harmonic of the preset vst": ("harmonic", "vst", _SMALL),
}
"""Synth, preset and bindings of the trainings; the preset vst has another preprocessor."""


def tolerances(case: str) -> dict[str, float]:
    """Returns by which share the numbers of some names may differ: beyond what other rounding moves them by.

    The gradients of free sinusoids by their frequencies are the least stable: rounding the loudness otherwise, by 1e-5
    dB, moved one by 10% and the mean change of the weights by 4%, and no loss by 1e-3. Rounding moves those of the
    other synths by 2e-4, or by 4e-3 where it turns the sign of one frame in the term of the level.
    """
    sinusoidal = case == "sinusoidal"
    norms = {f"grad_norm of step {step}": 2e-1 if sinusoidal else 1e-2 for step in range(1, _STEPS + 1)}
    return {**norms, _WEIGHTS_CHANGE: 1e-1 if sinusoidal else 1e-3}


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
        rate = f"train.learning_rate = {_LEARNING_RATES[synth]}"
        train(data_uri, synth, str(out), "string", preset, [*_BINDINGS, rate, *bindings])
    found: dict[str, Any] = {}
    for line in read_lines(out / "metrics.jsonl"):
        moment = f"step {line['step']}" if line["split"] == "train" else f"validation at step {line['step']}"
        for name in ("spectral_loss", "grad_norm", "learning_rate"):
            if name in line:
                found[f"{name} of {moment}"] = line[name]
    before, after = (_weights(out, step) for step in (0, _STEPS))
    found["number of weights"] = len(before)
    found["mean size of the weights at step 0"] = _short(np.abs(before).mean())
    found[_WEIGHTS_CHANGE] = _short(np.abs(after - before).mean())
    return found


def _weights(out: Path, step: int) -> npt.NDArray[np.float64]:
    """Returns all weights of a checkpoint, one after the other."""
    arrays = decode(storage.read_bytes(str(out / "checkpoints" / f"step-{step:08d}.ckpt"))).arrays
    return np.concatenate([array.ravel() for name, array in sorted(arrays.items()) if name.startswith("weights/")])


def _short(value: Any) -> float:
    return float(f"{float(value):.6g}")


def configuration(synth: str, preset: str) -> dict[str, str]:
    """Returns what decides the numbers of a synth and a preset: bindings, defaults of `train`, pretrained weights."""
    bound = {f"train.{field.name}": repr(field.default) for field in fields(TrainSettings)}
    for path in gin_files(synth, preset):
        for statement in config_parser.ConfigParser(path.read_text(), _References()):
            name = f"{statement.scope}/" if statement.scope else ""
            bound[f"{name}{statement.selector}.{statement.arg_name}"] = repr(statement.value)
    file = pretrained.file_of(preset, synth)
    bound["pretrained weights"] = f"CRC32 {zlib.crc32(file.read_bytes()):08x}" if file.exists() else "none"
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
