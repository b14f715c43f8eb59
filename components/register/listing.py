"""Lists the registered versions as a table."""

from __future__ import annotations

from datetime import UTC, datetime

from mlflow.entities.model_registry import ModelVersion

from components.core.errors import InputError
from components.nsynth.families import check_family
from components.registry.aliases import ALL_FAMILIES, champion_version, model_name
from components.registry.client import open_client
from components.registry.tags import LOSS_TAG, promotion_status

_COLUMNS = ("family", "version", "synth", "preset", "loss", "date", "status")


def listing(tracking_uri: str = "", family: str | None = None, champions_only: bool = False) -> str:
    """Returns a table of versions, sorted by family and version.

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
    found = client.search_model_versions(f"name = '{model_name(family)}'" if family else ALL_FAMILIES)
    versions = [each for each in found if "family" in each.tags]
    if champions_only:
        champions = [champion_version(client, name) for name in {str(each.tags["family"]) for each in versions}]
        numbers = {(each.name, int(each.version)) for each in champions if each}
        versions = [each for each in versions if (each.name, int(each.version)) in numbers]
    if not versions:
        raise InputError(f"there is no {'champion' if champions_only else 'version'} of {family or 'any family'}")
    versions.sort(key=lambda each: (each.tags["family"], int(each.version)))
    return _table([_COLUMNS, *(_row(each) for each in versions)])


def _row(version: ModelVersion) -> tuple[str, ...]:
    tags, loss = version.tags, version.tags.get(LOSS_TAG)
    date = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    return (
        tags["family"],
        str(version.version),
        tags.get("synth", ""),
        tags.get("preset", ""),
        f"{float(loss):.2f}" if loss else "-",
        f"{date:%Y-%m-%d}",
        promotion_status(tags),
    )


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
