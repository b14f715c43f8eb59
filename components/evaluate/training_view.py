"""One training as a report sees it: evaluation, clips, curves and configuration. Only files are read."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components import storage
from components.artifacts import evaluation
from components.artifacts.evaluation import Evaluation, Heard, Transfer
from components.config.catalog import SYNTHS


@dataclass(frozen=True)
class Training:
    """One training, finished or not.

    Attributes:
        uri: Where evaluation.json and listening/ are.
        family: Its family.
        synth: Its synth.
        run: run.json, empty where there is none.
        curve: The lines of metrics.jsonl.
        evaluation: None where the training or its evaluation is missing.
    """

    uri: str
    family: str
    synth: str
    run: dict[str, Any]
    curve: list[dict[str, Any]]
    evaluation: Evaluation | None

    @classmethod
    def of(cls, found: Evaluation, uri: str, run_uri: str) -> Training:
        """Returns the training of an evaluation not written yet; run.json and metrics.jsonl are at `run_uri`."""
        return cls(uri, found.family, found.synth, _run(run_uri), _curve(run_uri), found)

    @classmethod
    def load(cls, uri: str) -> Training:
        """Reads a training directory <family>-<synth>, of which anything may be missing."""
        run, found = _run(uri), evaluation.read(uri)
        family, _, synth = storage.basename(uri).rpartition("-")
        if found:
            family, synth = found.family, found.synth
        return cls(uri, family, synth, run, _curve(uri), found)

    @property
    def loss(self) -> float | None:
        """The mean spectral loss on the held-out notes, by which synths are compared; None where there is none."""
        return self.evaluation.summary["spectral_loss"].mean if self.evaluation else None

    @property
    def valid_loss(self) -> float | None:
        """The loss on the validation split, which chose the model's weights; None where there is none."""
        value = self.evaluation.model.get("valid_loss") if self.evaluation else None
        return None if value is None or not math.isfinite(value) else float(value)

    def heard(self) -> list[Heard]:
        """Returns the held-out notes kept for listening."""
        return self.evaluation.heard if self.evaluation else []

    def transfers(self) -> dict[str, Transfer]:
        """Returns the notes of all families as the model played them, by family."""
        return {each.family: each for each in self.evaluation.transfers} if self.evaluation else {}

    def missing(self) -> str:
        """Says what there is not, or nothing."""
        if self.evaluation:
            return ""
        if not self.run:
            return "was not trained"
        if self.run.get("status") != "finished":
            return "did not finish its training"
        return "was trained but not evaluated"


def winner_of(trainings: Sequence[Training]) -> Training | None:
    """Returns the training of a family with the lowest spectral loss on the held-out notes, as the registry does."""
    finished = [training for training in trainings if training.loss is not None]
    return min(finished, key=lambda training: (training.loss, training.synth), default=None)


def by_family(trainings: Sequence[Training]) -> dict[str, list[Training]]:
    """Returns trainings by family, those of a family in the order of SYNTHS."""
    families: dict[str, list[Training]] = {}
    for training in trainings:
        families.setdefault(training.family, []).append(training)
    return {family: sorted(some, key=lambda each: _place(each.synth)) for family, some in families.items()}


def _place(synth: str) -> tuple[int, str]:
    return (SYNTHS.index(synth) if synth in SYNTHS else len(SYNTHS), synth)


def _run(uri: str) -> dict[str, Any]:
    run_uri = storage.join(uri, "run.json")
    run: dict[str, Any] = storage.read_json(run_uri) if storage.exists(run_uri) else {}
    return run


def _curve(uri: str) -> list[dict[str, Any]]:
    curve_uri = storage.join(uri, "metrics.jsonl")
    if not storage.exists(curve_uri):
        return []
    lines = []
    for line in storage.read_bytes(curve_uri).splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue  # a training that was killed leaves half a line; it lost nothing else
    return lines
