"""The champion of a family: the version that `models:/ddsp-<family>@champion` loads, and those before it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from components.core.errors import InputError
from components.registry import connection
from components.registry.tags import BEFORE_TAG, LOSS_TAG, STANDING_TAG

CHAMPION, CHALLENGER = "champion", "challenger"


@dataclass(frozen=True)
class Champion:
    """A version that carries the alias.

    Attributes:
        uri: What `mlflow.pyfunc.load_model` takes, "models:/ddsp-string@champion".
        synth: The model's synthesizer.
        version: Its number among the family's versions.
        loss: Its mean spectral loss on held-out notes; nan where it was never evaluated.
        source: Where the registry keeps it.
    """

    uri: str
    synth: str
    version: int
    loss: float
    source: str


def model_name(family: str) -> str:
    """Returns the name of a family's registered model."""
    return f"ddsp-{family}"


def versions_of(client: MlflowClient, family: str) -> Sequence[ModelVersion]:
    """Returns all versions of a family's registered model; none where there is no such model."""
    found: Sequence[ModelVersion] = client.search_model_versions(f"name = '{model_name(family)}'")
    return found


def current(client: MlflowClient, family: str) -> ModelVersion | None:
    """Returns the version that is champion; None where none is."""
    try:
        return client.get_model_version_by_alias(model_name(family), CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def champion(tracking_uri: str, family: str) -> Champion:
    """Returns the champion of a family.

    Raises:
        InputError: MLflow cannot be reached, or knows no champion of the family.
    """
    found = current(connection.open_client(tracking_uri), family)
    if found is None:
        raise InputError(f"there is no champion of '{family}' in MLflow at '{tracking_uri}'; register one first")
    return as_champion(found)


def as_champion(version: ModelVersion) -> Champion:
    """Returns what is shown of a version that is champion."""
    loss = float(version.tags.get(LOSS_TAG, math.nan))
    uri, synth = f"models:/{version.name}@{CHAMPION}", version.tags.get("synth", "")
    return Champion(uri, synth, int(version.version), loss, version.source)


def make_champion(client: MlflowClient, family: str, version: ModelVersion) -> None:
    """Moves the alias. To be used inside `moving`."""
    name, before = model_name(family), current(client, family)
    if before is not None and before.version == version.version:
        return
    if before is not None:
        # First: whoever rolls back finds the way, even if this process dies behind the move.
        client.set_model_version_tag(name, version.version, BEFORE_TAG, str(before.version))
    client.set_registered_model_alias(name, CHAMPION, version.version)
    client.set_model_version_tag(name, version.version, STANDING_TAG, CHAMPION)
    if before is not None:
        client.set_model_version_tag(name, before.version, STANDING_TAG, f"champion until version {version.version}")


def give_back(client: MlflowClient, family: str, loser: ModelVersion, winner: ModelVersion, reason: str) -> None:
    """Moves the alias from the champion to a version before it. To be used inside `moving`."""
    name = model_name(family)
    client.set_model_version_tag(name, loser.version, STANDING_TAG, reason)
    client.set_registered_model_alias(name, CHAMPION, winner.version)
    client.set_model_version_tag(name, winner.version, STANDING_TAG, CHAMPION)


def champion_before(client: MlflowClient, version: ModelVersion) -> ModelVersion | None:
    """Returns the champion that a version followed; None where it was the first, or the older one was deleted."""
    number = version.tags.get(BEFORE_TAG)
    try:
        return client.get_model_version(version.name, number) if number else None
    except MlflowException:
        return None
