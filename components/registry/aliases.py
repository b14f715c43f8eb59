"""A family's versions and the aliases `champion` and `challenger`, which one client at a time may move (alias_lock)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from components.core.errors import InputError
from components.registry.client import mlflow_errors, open_client, resolve_uri
from components.registry.tags import PREVIOUS_TAG, STATUS_TAG, loss_of

CHAMPION, CHALLENGER = "champion", "challenger"
ALL_FAMILIES = "name LIKE 'ddsp-%'"
"""MLflow's filter for the versions of every family."""


@dataclass(frozen=True)
class Champion:
    """The version of a family that carries the alias `champion`.

    Attributes:
        uri: What `mlflow.pyfunc.load_model` takes, "models:/ddsp-string@champion".
        synth: The model's synthesizer.
        version: Its number among the family's versions.
        loss: Its mean spectral loss on held-out notes; nan where it was never evaluated.
        source: URI of its files in MLflow.
    """

    uri: str
    synth: str
    version: int
    loss: float
    source: str

    @classmethod
    def of(cls, version: ModelVersion) -> Champion:
        """Returns what is shown of a version that is champion."""
        uri = f"models:/{version.name}@{CHAMPION}"
        return cls(uri, version.tags.get("synth", ""), int(version.version), loss_of(version.tags), version.source)


def model_name(family: str) -> str:
    """Returns the name of a family's registered model."""
    return f"ddsp-{family}"


def versions_of(client: MlflowClient, family: str) -> Sequence[ModelVersion]:
    """Returns all versions of a family's registered model; none where there is no such model."""
    found: Sequence[ModelVersion] = client.search_model_versions(f"name = '{model_name(family)}'")
    return found


def champion_version(client: MlflowClient, family: str) -> ModelVersion | None:
    """Returns the version that is champion; None where none is."""
    try:
        return client.get_model_version_by_alias(model_name(family), CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def find_champion(tracking_uri: str, family: str) -> Champion:
    """Returns the champion of a family.

    Raises:
        InputError: MLflow cannot be reached, or the family has no champion.
    """
    client = open_client(tracking_uri)
    with mlflow_errors(resolve_uri(tracking_uri)):
        found = champion_version(client, family)
    if found is None:
        raise InputError(f"there is no champion of '{family}' in MLflow at '{tracking_uri}'; register one first")
    return Champion.of(found)


def previous_champion(client: MlflowClient, version: ModelVersion) -> ModelVersion | None:
    """Returns the champion before a version; None where it was the first, or the one before was deleted."""
    number = version.tags.get(PREVIOUS_TAG)
    try:
        return client.get_model_version(version.name, number) if number else None
    except MlflowException:
        return None


def promote(client: MlflowClient, family: str, version: ModelVersion) -> None:
    """Moves the alias `champion` to a version. The caller holds `alias_lock`."""
    name, before = model_name(family), champion_version(client, family)
    if before is not None and before.version == version.version:
        return
    if before is not None:
        # First: a rollback finds the version before even if this process dies after the move.
        client.set_model_version_tag(name, version.version, PREVIOUS_TAG, str(before.version))
    client.set_registered_model_alias(name, CHAMPION, version.version)
    client.set_model_version_tag(name, version.version, STATUS_TAG, CHAMPION)
    if before is not None:
        client.set_model_version_tag(name, before.version, STATUS_TAG, f"champion until version {version.version}")


def restore(client: MlflowClient, family: str, champion: ModelVersion, earlier: ModelVersion, reason: str) -> None:
    """Moves the alias `champion` from the champion to an earlier version. The caller holds `alias_lock`.

    Args:
        client: MLflow.
        family: The family.
        champion: The version that loses the alias.
        earlier: The version that gets it.
        reason: The promotion status of `champion` afterwards.
    """
    name = model_name(family)
    client.set_model_version_tag(name, champion.version, STATUS_TAG, reason)
    client.set_registered_model_alias(name, CHAMPION, earlier.version)
    client.set_model_version_tag(name, earlier.version, STATUS_TAG, CHAMPION)
