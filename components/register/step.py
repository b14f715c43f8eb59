"""Registers the trainings of one family in MLflow: what the pipeline calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.config.bindings import gate_of
from components.core.errors import InputError
from components.registry.mlflow_values import EXPERIMENT
from components.registry.trained_model import TrainedModel, open_trained_model
from components.telemetry import log

if TYPE_CHECKING:
    from components.register.promotion import Score
    from components.registry.aliases import Champion

_LOG = log.get(__name__)


@dataclass(frozen=True)
class RegisterResult:
    """What was registered.

    Attributes:
        model_name: The family's registered model, "ddsp-string".
        versions: Its version for each synth that was registered.
        statuses: The promotion status of each version, by synth: "champion", or the reason why it is not.
        champion: The family's champion now, which may be of an earlier run; None where no version was good enough.
    """

    model_name: str
    versions: dict[str, int]
    statuses: dict[str, str]
    champion: Champion | None

    @property
    def champion_uri(self) -> str:
        """What MLflow loads the champion by; "" where there is none."""
        return self.champion.uri if self.champion else ""

    def text(self) -> str:
        """Returns the result in one line."""
        versions = ", ".join(f"{synth} v{version}" for synth, version in self.versions.items())
        if self.champion is None:
            return f"{self.model_name}: {versions}; no champion: {'; '.join(self.statuses.values())}"
        best = f"{self.champion.synth} v{self.champion.version}, loss {self.champion.loss:.2f}"
        return f"{self.model_name}: {versions}; champion {best}"


def register(
    training_uris: Sequence[str],
    tracking_uri: str = "",
    experiment: str = EXPERIMENT,
    lineage: Mapping[str, str] | None = None,
    champion_score: Score | None = None,
    gate_bindings: Sequence[str] = (),
) -> RegisterResult:
    """Registers the trainings of one family: a run and a version each. The best may be promoted to champion.

    A training that is registered already is not registered twice; an interrupted registration is completed.

    Args:
        training_uris: Training directories of one family and one data set.
        tracking_uri: "sqlite:///WORKSPACE/mlflow/mlflow.db", a server's URL, or "" for MLFLOW_TRACKING_URI.
        experiment: MLflow's experiment for new runs.
        lineage: Tags beside those from the training's own record, such as {"pipeline_run": "run-7"}.
        champion_score: The champion's score on the held-out notes of these trainings; None where its own evaluation
            has used the same notes.
        gate_bindings: Gin bindings of the gate.

    Returns:
        See `RegisterResult`.

    Raises:
        InputError: Trainings that are not finished or do not belong together, or an MLflow that cannot be used.
        StepError: MLflow, or the place of its files, does not answer or has an error of its own.
    """
    gate = gate_of(gate_bindings)
    with ExitStack() as stack:
        trainings = [stack.enter_context(open_trained_model(uri)) for uri in training_uris]
        _check_together(trainings)
        # MLflow takes seconds to import: check the input first.
        from components.register import description, promotion
        from components.registry import aliases, client, kubeflow, versions

        family = trainings[0].family
        stack.enter_context(client.mlflow_errors(client.resolve_uri(tracking_uri)))
        mlflow, experiment_id = stack.enter_context(client.open_for_writing(tracking_uri, experiment))
        name, numbers = aliases.model_name(family), dict[str, int]()
        for each in trainings:
            version = versions.ensure_version(mlflow, experiment_id, each, lineage or {})
            numbers[each.synth] = int(version.version)
            _LOG.info("%s is version %s of %s", each.name, version.version, name)
        scores = [_score(numbers[each.synth], each) for each in trainings]
        champion = promotion.promote_best(mlflow, family, scores, champion_score, gate)
        statuses = {synth: promotion.status_of(mlflow, name, version) for synth, version in numbers.items()}
        for synth, status in statuses.items():
            _LOG.info("%s version %d, %s: %s", name, numbers[synth], synth, status)
        description.describe(mlflow, family, {numbers[each.synth]: each for each in trainings}, lineage or {})
        kubeflow.record(name, trainings, numbers, lineage or {})
        return RegisterResult(name, numbers, statuses, champion)


def _score(version: int, training: TrainedModel) -> Score:
    from components.register.promotion import Score

    found = training.evaluation
    if found is None:
        return Score(version, "")
    return Score(version, found.notes_fingerprint, found.notes, found.gate_values())


def _check_together(trainings: Sequence[TrainedModel]) -> None:
    if not trainings:
        raise InputError("cannot register: got no trainings, expected at least one")
    families = sorted({each.family for each in trainings})
    if len(families) > 1:
        raise InputError(f"cannot register: got trainings of {' and '.join(families)}, expected one family at a time")
    if len({each.record.data_fingerprint for each in trainings}) > 1:
        raise InputError(
            "cannot register: got trainings on different data, expected one data set, so that losses can be compared"
        )
