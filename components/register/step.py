"""Registers the trainings of one family in MLflow: what the pipeline calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.errors import InputError
from components.register.training import Training, opened
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
        champion: The family's champion now, which may be of an earlier run.
    """

    model_name: str
    versions: dict[str, int]
    champion: Champion

    @property
    def champion_uri(self) -> str:
        return self.champion.uri

    def text(self) -> str:
        """Returns the result in one line."""
        versions = ", ".join(f"{synth} v{version}" for synth, version in self.versions.items())
        best = f"{self.champion.synth} v{self.champion.version}, loss {self.champion.valid_loss:.2f}"
        return f"{self.model_name}: {versions}; champion {best}"


def register(
    training_uris: Sequence[str],
    tracking_uri: str = "",
    experiment: str = "luthier",
    lineage: Mapping[str, str] | None = None,
) -> RegisterResult:
    """Registers the trainings of one family: a run and a version each, and a champion among all so far.

    Registering again what is registered changes nothing; a registration that broke is completed.

    Args:
        training_uris: Folders that `luthier train` wrote, of one family and one data set.
        tracking_uri: "sqlite:///WORKSPACE/mlflow/mlflow.db", a server's URL, or "" for what MLFLOW_TRACKING_URI names.
        experiment: MLflow's experiment for new runs.
        lineage: Tags beside those of the training's own record, such as {"pipeline_run": "run-7"}.

    Returns:
        See `RegisterResult`.

    Raises:
        InputError: Trainings that are not finished or do not belong together, or an MLflow that cannot be used.
    """
    with ExitStack() as stack:
        trainings = [stack.enter_context(opened(uri)) for uri in training_uris]
        _check_together(trainings)
        # MLflow takes seconds to import: not before the input is known to be good.
        from components.register import registry
        from components.registry import champions, connection

        family = trainings[0].family
        client, experiment_id = stack.enter_context(connection.connected(tracking_uri, experiment))
        versions = {}
        for each in trainings:
            versions[each.synth] = int(registry.add(client, experiment_id, each, lineage or {}).version)
            _LOG.info("%s is version %d of %s", each.name, versions[each.synth], champions.model_name(family))
        champion = champions.crown(client, family, trainings[0].data_fingerprint)
        return RegisterResult(champions.model_name(family), versions, champion)


def _check_together(trainings: Sequence[Training]) -> None:
    if not trainings:
        raise InputError("cannot register: got no trainings, expected at least one")
    families = sorted({each.family for each in trainings})
    if len(families) > 1:
        raise InputError(f"cannot register: got trainings of {' and '.join(families)}, expected one family at a time")
    if len({each.data_fingerprint for each in trainings}) > 1:
        raise InputError("cannot register: got trainings on different data, expected one data set: losses must compare")
