"""Lists the registered versions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from components.core.errors import InputError
from components.core.table import table
from components.nsynth.families import check_family
from components.registry.aliases import ALL_FAMILIES, champion_version, model_name
from components.registry.client import mlflow_errors, open_client, resolve_uri
from components.registry.tags import loss_of, promotion_status

_COLUMNS = ("family", "version", "synth", "preset", "loss", "date", "status")


def listed_versions(tracking_uri: str = "", family: str | None = None, champions_only: bool = False) -> list[Listed]:
    """Returns the versions, sorted by family and version.

    Args:
        tracking_uri: MLflow; "" for the value of MLFLOW_TRACKING_URI.
        family: Only versions of this family.
        champions_only: Only versions that are champion.

    Raises:
        InputError: MLflow cannot be used, there is no such family, or nothing is registered.
    """
    if family:
        check_family(family)
    client = open_client(tracking_uri)
    with mlflow_errors(resolve_uri(tracking_uri)):
        return _listed(client, family, champions_only)


def _listed(client: MlflowClient, family: str | None, champions_only: bool) -> list[Listed]:
    found = client.search_model_versions(f"name = '{model_name(family)}'" if family else ALL_FAMILIES)
    versions = [each for each in found if "family" in each.tags]
    if champions_only:
        champions = [champion_version(client, name) for name in {str(each.tags["family"]) for each in versions}]
        numbers = {(each.name, int(each.version)) for each in champions if each}
        versions = [each for each in versions if (each.name, int(each.version)) in numbers]
    if not versions:
        what = "champion" if champions_only else "version"
        raise InputError(f"the registry has no {what} of {family or 'any family'}: `luthier run` registers models")
    versions.sort(key=lambda each: (each.tags["family"], int(each.version)))
    return [Listed.of(each) for each in versions]


def listing(tracking_uri: str = "", family: str | None = None, champions_only: bool = False) -> str:
    """Returns the versions as a table; arguments and errors as of `listed_versions`."""
    return table([_COLUMNS, *(each.row() for each in listed_versions(tracking_uri, family, champions_only))])


@dataclass(frozen=True)
class Listed:
    """A version in a list.

    Attributes:
        model: Name of the registered model.
        family, version, synth, preset: Of the training.
        loss: On the held-out notes; None where it is not known.
        created_at: RFC 3339, in UTC.
        status: The promotion status.
    """

    model: str
    family: str
    version: int
    synth: str
    preset: str
    loss: float | None
    created_at: str
    status: str

    @classmethod
    def of(cls, version: ModelVersion) -> Listed:
        """Returns what a version is listed with."""
        tags = version.tags
        return cls(
            model=version.name,
            family=tags["family"],
            version=int(version.version),
            synth=tags.get("synth", ""),
            preset=tags.get("preset", ""),
            loss=loss if math.isfinite(loss := loss_of(tags)) else None,
            created_at=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(timespec="seconds"),
            status=promotion_status(tags),
        )

    def row(self) -> tuple[str, ...]:
        """Returns its line of the table."""
        loss = "-" if self.loss is None else f"{self.loss:.2f}"
        return (self.family, str(self.version), self.synth, self.preset, loss, self.created_at[:10], self.status)
