"""The champion of a family: the version that `models:/ddsp-<family>@champion` loads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from components.errors import InputError
from components.registry import connection

_ALIAS = "champion"


@dataclass(frozen=True)
class Champion:
    """A version that carries the alias.

    Attributes:
        uri: What `mlflow.pyfunc.load_model` takes, "models:/ddsp-string@champion".
        synth: The model's synthesizer.
        version: Its number among the family's versions.
        valid_loss: Its spectral loss on the validation split; nan where there was nothing to validate on.
    """

    uri: str
    synth: str
    version: int
    valid_loss: float


def model_name(family: str) -> str:
    """Returns the name of a family's registered model."""
    return f"ddsp-{family}"


def versions_of(client: MlflowClient, family: str) -> Sequence[ModelVersion]:
    """Returns all versions of a family's registered model."""
    found: Sequence[ModelVersion] = client.search_model_versions(f"name = '{model_name(family)}'")
    return found


def crown(client: MlflowClient, family: str, data_fingerprint: str) -> Champion:
    """Moves the alias to the best of all versions of the family that were trained on the same data.

    Best is the lowest validation loss; of equals, the version that came first, so that a champion is only ever replaced
    by a better one. Losses on different data say nothing about each other: versions of other data do not take part, and
    after the first registration on new data the champion is of the new data. A version without a loss comes last.
    """
    rivals = [each for each in versions_of(client, family) if each.tags.get("data_fingerprint", "") == data_fingerprint]
    best = min(rivals, key=lambda each: (float(each.tags.get("valid_loss", "inf")), int(each.version)))
    aliases = client.get_registered_model(model_name(family)).aliases
    if str(aliases.get(_ALIAS)) != str(best.version):
        client.set_registered_model_alias(model_name(family), _ALIAS, best.version)
    return _champion(best)


def champion(tracking_uri: str, family: str) -> Champion:
    """Returns the champion of a family.

    Raises:
        InputError: MLflow cannot be reached, or knows no champion of the family.
    """
    client = connection.open_client(tracking_uri)
    try:
        return _champion(client.get_model_version_by_alias(model_name(family), _ALIAS))
    except MlflowException as error:
        raise InputError(
            f"there is no champion of '{family}' in MLflow at '{tracking_uri}': {error.message}; register one first"
        ) from error


def _champion(version: ModelVersion) -> Champion:
    uri = f"models:/{version.name}@{_ALIAS}"
    loss = float(version.tags.get("valid_loss", math.nan))
    return Champion(uri, version.tags["synth"], int(version.version), loss)
