"""Registers the trainings of one family in MLflow: what the pipeline calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components import storage
from components.config.gate import gate_of
from components.core.errors import InputError
from components.registry.training import Training, opened
from components.telemetry import log

if TYPE_CHECKING:
    from components.registry.champions import Champion

_LOG = log.get(__name__)


@dataclass(frozen=True)
class RegisterResult:
    """What was registered.

    Attributes:
        model_name: The family's registered model, "ddsp-string".
        versions: Its version for each synth that was registered.
        standings: What became of each version, by synth: "champion", or why it is not.
        champion: The family's champion now, which may be of an earlier run; None where no version was good enough.
    """

    model_name: str
    versions: dict[str, int]
    standings: dict[str, str]
    champion: Champion | None

    @property
    def champion_uri(self) -> str:
        """What MLflow loads the champion by; "" where there is none."""
        return self.champion.uri if self.champion else ""

    def text(self) -> str:
        """Returns the result in one line."""
        versions = ", ".join(f"{synth} v{version}" for synth, version in self.versions.items())
        if self.champion is None:
            return f"{self.model_name}: {versions}; no champion: {'; '.join(self.standings.values())}"
        best = f"{self.champion.synth} v{self.champion.version}, loss {self.champion.loss:.2f}"
        return f"{self.model_name}: {versions}; champion {best}"


def register(
    training_uris: Sequence[str],
    tracking_uri: str = "",
    experiment: str = "luthier",
    lineage: Mapping[str, str] | None = None,
    champion_heard: Mapping[str, Any] | None = None,
    gate_bindings: Sequence[str] = (),
) -> RegisterResult:
    """Registers the trainings of one family: a run and a version each. The best may become champion; see crowning.

    Registering again what is registered changes nothing; a registration that broke is completed.

    Args:
        training_uris: Folders that `luthier train` wrote, of one family and one data set.
        tracking_uri: "sqlite:///WORKSPACE/mlflow/mlflow.db", a server's URL, or "" for what MLFLOW_TRACKING_URI names.
        experiment: MLflow's experiment for new runs.
        lineage: Tags beside those of the training's own record, such as {"pipeline_run": "run-7"}.
        champion_heard: How the champion played the same held-out notes, as of evaluate.challenge; nothing where it has
            played them before.
        gate_bindings: Gin bindings of the gate.

    Returns:
        See `RegisterResult`.

    Raises:
        InputError: Trainings that are not finished or do not belong together, or an MLflow that cannot be used.
    """
    gate = gate_of(gate_bindings)
    with ExitStack() as stack:
        trainings = [stack.enter_context(opened(uri)) for uri in training_uris]
        _check_together(trainings)
        # MLflow takes seconds to import: not before the input is known to be good.
        from components.register import description, promotion
        from components.register.promotion import Heard
        from components.registry import champions, connection, model_registry, versions

        family = trainings[0].family
        client, experiment_id = stack.enter_context(connection.connected(tracking_uri, experiment))
        name, numbers = champions.model_name(family), dict[str, int]()
        for each in trainings:
            numbers[each.synth] = int(versions.add(client, experiment_id, each, lineage or {}).version)
            _LOG.info("%s is version %d of %s", each.name, numbers[each.synth], name)
        heard = [Heard(numbers[each.synth], each.held_out_notes(), each.means()) for each in trainings]
        rival = Heard(**champion_heard) if champion_heard else None
        champion = promotion.crown(client, family, heard, rival, gate)
        standings = {synth: promotion.standing(client, name, version) for synth, version in numbers.items()}
        for synth, standing in standings.items():
            _LOG.info("%s version %d, %s: %s", name, numbers[synth], synth, standing)
        description.describe(client, family, {numbers[each.synth]: each for each in trainings}, lineage or {})
        model_registry.record(name, trainings, numbers, lineage or {})
        return RegisterResult(name, numbers, standings, champion)


def evaluated(run_uri: str, family: str, synths: Sequence[str]) -> list[str]:
    """Returns the trainings of a family that came to their end; says which did not.

    Raises:
        InputError: None did.
    """
    trainings = [storage.join(run_uri, f"{family}-{synth}") for synth in synths]
    done = [uri for uri in trainings if storage.exists(storage.join(uri, "evaluation.json"))]
    missing = [storage.basename(uri) for uri in trainings if uri not in done]
    if not done:
        raise InputError(f"there is nothing of {family} to register: {', '.join(missing)} were not evaluated")
    if missing:
        _LOG.warning("registered without %s: there is no evaluation of it", ", ".join(missing))
    return done


def _check_together(trainings: Sequence[Training]) -> None:
    if not trainings:
        raise InputError("cannot register: got no trainings, expected at least one")
    families = sorted({each.family for each in trainings})
    if len(families) > 1:
        raise InputError(f"cannot register: got trainings of {' and '.join(families)}, expected one family at a time")
    if len({each.data_fingerprint for each in trainings}) > 1:
        raise InputError("cannot register: got trainings on different data, expected one data set: losses must compare")
