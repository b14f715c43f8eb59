"""A training as the report reads it: run record, metrics log, evaluation and listening samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.artifacts import evaluation
from components.artifacts.evaluation import Evaluation, ListeningSample, Transfer
from components.artifacts.metrics_log import Line
from components.artifacts.run_record import RunRecord
from components.artifacts.training_dir import TrainingDir
from components.artifacts.verdict import best_of
from components.config.bindings import gate_of
from components.config.catalog import SYNTHS
from components.config.gate import Gate


@dataclass(frozen=True)
class TrainingView:
    """One training, finished or not.

    Attributes:
        uri: The directory with evaluation.json and listening/.
        family: Its family.
        synth: Its synth.
        run: The run record; None where there is none.
        curve: The lines of metrics.jsonl.
        evaluation: Its evaluation; None where the training or its evaluation is missing.
    """

    uri: str
    family: str
    synth: str
    run: RunRecord | None
    curve: list[Line]
    evaluation: Evaluation | None

    @classmethod
    def of(cls, found: Evaluation, uri: str, run_uri: str) -> TrainingView:
        """Returns the view of an evaluation that is not written yet; run.json and metrics.jsonl are at `run_uri`."""
        run_dir = TrainingDir(run_uri)
        return cls(uri, found.family, found.synth, run_dir.read_record(), run_dir.metrics(), found)

    @classmethod
    def load(cls, uri: str) -> TrainingView:
        """Reads a training directory <family>-<synth>, of which anything may be missing."""
        training_dir, found = TrainingDir(uri), evaluation.read(uri)
        family, synth = training_dir.family_and_synth()
        if found:
            family, synth = found.family, found.synth
        return cls(uri, family, synth, training_dir.read_record(), training_dir.metrics(), found)

    @property
    def loss(self) -> float | None:
        """The mean spectral loss on the held-out notes, which the comparison uses; None without an evaluation."""
        return self.evaluation.summary["spectral_loss"].mean if self.evaluation else None

    @property
    def valid_loss(self) -> float | None:
        """The lowest loss on the validation split, whose weights the model has; None where there is none."""
        return self.evaluation.model.valid_loss if self.evaluation else None

    def samples(self) -> list[ListeningSample]:
        """Returns the listening samples of held-out notes."""
        return self.evaluation.samples if self.evaluation else []

    def transfers(self) -> dict[str, Transfer]:
        """Returns the resynthesised notes of all families, by family."""
        return {each.family: each for each in self.evaluation.transfers} if self.evaluation else {}

    def missing(self) -> str:
        """Returns what is missing, as the end of a sentence; "" where nothing is."""
        if self.evaluation:
            return ""
        if self.run is None:
            return "was not trained"
        if not self.run.is_finished:
            return "did not finish its training"
        return "was trained but not evaluated"


def winner_of(trainings: Sequence[TrainingView], gate: Gate | None = None) -> TrainingView | None:
    """Returns the best training of a family (see verdict.best_of); None if none was evaluated. `gate`: gate.gin's."""
    known = {training.synth: training.evaluation for training in trainings if training.evaluation}
    if not known:
        return None
    best = best_of(known, gate or gate_of()).synth
    return next(training for training in trainings if training.synth == best)


def by_family(trainings: Sequence[TrainingView]) -> dict[str, list[TrainingView]]:
    """Groups trainings by family; those of a family are in the order of SYNTHS."""
    families: dict[str, list[TrainingView]] = {}
    for training in trainings:
        families.setdefault(training.family, []).append(training)
    return {family: sorted(some, key=lambda each: _order(each.synth)) for family, some in families.items()}


def _order(synth: str) -> tuple[int, str]:
    return (SYNTHS.index(synth) if synth in SYNTHS else len(SYNTHS), synth)
