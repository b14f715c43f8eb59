"""One training as a report sees it: evaluation, clips, curves and configuration. Only files are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.artifacts import evaluation
from components.artifacts.evaluation import Evaluation, Heard, Transfer
from components.artifacts.metrics_log import Line
from components.artifacts.run_record import RunRecord
from components.artifacts.training_dir import TrainingDir
from components.config.catalog import SYNTHS


@dataclass(frozen=True)
class Training:
    """One training, finished or not.

    Attributes:
        uri: Where evaluation.json and listening/ are.
        family: Its family.
        synth: Its synth.
        run: The run record; None where there is none.
        curve: The lines of metrics.jsonl.
        evaluation: None where the training or its evaluation is missing.
    """

    uri: str
    family: str
    synth: str
    run: RunRecord | None
    curve: list[Line]
    evaluation: Evaluation | None

    @classmethod
    def of(cls, found: Evaluation, uri: str, run_uri: str) -> Training:
        """Returns the training of an evaluation not written yet; run.json and metrics.jsonl are at `run_uri`."""
        run_dir = TrainingDir(run_uri)
        return cls(uri, found.family, found.synth, run_dir.read_record(), run_dir.metrics(), found)

    @classmethod
    def load(cls, uri: str) -> Training:
        """Reads a training directory <family>-<synth>, of which anything may be missing."""
        training_dir, found = TrainingDir(uri), evaluation.read(uri)
        family, synth = training_dir.family_and_synth()
        if found:
            family, synth = found.family, found.synth
        return cls(uri, family, synth, training_dir.read_record(), training_dir.metrics(), found)

    @property
    def loss(self) -> float | None:
        """The mean spectral loss on the held-out notes, by which synths are compared; None where there is none."""
        return self.evaluation.summary["spectral_loss"].mean if self.evaluation else None

    @property
    def valid_loss(self) -> float | None:
        """The loss on the validation split, which chose the model's weights; None where there is none."""
        return self.evaluation.model.valid_loss if self.evaluation else None

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
        if self.run is None:
            return "was not trained"
        if not self.run.is_finished:
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
