"""Trainings as cheap as they come: a tiny network on crops of an eighth of a second."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components import storage
from components.artifacts.metrics_log import parse_lines
from components.train.checkpoints import Checkpoints

STEPS = 30
# Checkpoints as often as there can be; small enough to be quick, long enough for the loss to fall.
BINDINGS = [
    f"train.max_steps = {STEPS}",
    "train.eval_every_steps = 15",
    "train.checkpoint_every_s = 0",
    "train.crop_samples = 2048",
    "RnnFcDecoder.ch = 16",
    "RnnFcDecoder.rnn_channels = 16",
    "SpectralLoss.fft_sizes = (256, 64)",
]


def command(data: str, out: Path | str, bindings: Sequence[str] = BINDINGS, *more: str) -> list[str]:
    """Returns the arguments of `luthier` for a training."""
    fixed = ["train", "--data", data, "--synth", "harmonic", "--family", "string", "--out", str(out), *more]
    return fixed + options(bindings)


def options(bindings: Sequence[str]) -> list[str]:
    """Returns the arguments that set bindings."""
    return [part for binding in bindings for part in ("--set", binding)]


def curve(out: Path | str) -> list[tuple[int, str, float]]:
    """Returns a training's curves: step, split and loss of each line."""
    uri = storage.join(str(out), "metrics.jsonl")
    text = storage.read_bytes(uri).decode() if storage.exists(uri) else ""
    return [(line["step"], line["split"], line["spectral_loss"]) for line in parse_lines(text)]


def last_step(out: Path | str) -> int:
    """Returns the step of the newest line of the curves; -1 before the first."""
    return max((step for step, *_ in curve(out)), default=-1)


def run_json(out: Path | str) -> dict[str, Any]:
    record: dict[str, Any] = storage.read_json(storage.join(str(out), "run.json"))
    return record


def checkpoint(out: Path | str, step: int) -> str:
    """Returns the URI of a checkpoint."""
    return storage.join(str(out), "checkpoints", f"step-{step:08d}.ckpt")


def saved_steps(out: Path | str) -> list[int]:
    """Returns the steps of the checkpoints that are there."""
    names = [info.name for info in storage.list_objects(storage.join(str(out), "checkpoints"))]
    return sorted(int(name.removesuffix(".ckpt").rpartition("-")[2]) for name in names)


def assert_same(one: Path | str, other: Path | str) -> None:
    """Asserts that two finished trainings are equal to the last bit: curves, weights, optimizer, best weights, card."""
    assert curve(one) == curve(other)
    assert_same_arrays(one, other)
    for name in ("status", "steps", "best", "stop_reason", "first_spectral_loss", "last_spectral_loss"):
        assert run_json(one)[name] == run_json(other)[name] is not None, name
    assert _card(one) == _card(other)


def assert_same_arrays(one: Path | str, other: Path | str) -> None:
    """Asserts that the newest checkpoints of two trainings have the same arrays."""
    left, right = (snapshot.arrays for out in (one, other) if (snapshot := Checkpoints(str(out), True).newest()))
    assert left.keys() == right.keys()
    for name, array in left.items():
        np.testing.assert_array_equal(array, right[name], err_msg=name)


def assert_same_end(one: Path, other: Path) -> None:
    """Asserts the same curve, the same last checkpoint and the same arrays."""
    assert curve(one) == curve(other)
    assert saved_steps(one)[-1] == saved_steps(other)[-1]
    assert_same_arrays(one, other)


def _card(out: Path | str) -> dict[str, Any]:
    card: dict[str, Any] = json.loads(storage.read_bytes(storage.join(str(out), "model", "model.json")))
    card.pop("crc32c")  # HDF5 writes the time of day into the file
    return card
