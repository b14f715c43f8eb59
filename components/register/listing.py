"""What is registered, as a table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from components.core.errors import InputError
from components.nsynth.families import check_family
from components.registry import champions, connection
from components.registry.tags import LOSS_TAG, STANDING_TAG

_COLUMNS = ("family", "version", "synth", "preset", "loss", "date", "standing")


def listing(tracking_uri: str = "", family: str | None = None, champions_only: bool = False) -> str:
    """Returns a table of versions: families in alphabetical order, a family's versions in order.

    Args:
        tracking_uri: The registry; "" for what MLFLOW_TRACKING_URI names.
        family: Of this family alone.
        champions_only: Only versions that are champion.

    Raises:
        InputError: The registry cannot be used, there is no such family, or nothing is registered.
    """
    if family:
        check_family(family)
    client = connection.open_client(tracking_uri)
    found = client.search_model_versions(f"name = '{champions.model_name(family)}'" if family else "name LIKE 'ddsp-%'")
    of_families = {str(each.tags["family"]) for each in found if "family" in each.tags}
    crowned = {name: champions.current(client, name) for name in of_families}
    numbers = {name: version.version for name, version in crowned.items() if version}
    versions = [
        each
        for each in found
        if "family" in each.tags and (not champions_only or str(numbers.get(each.tags["family"])) == str(each.version))
    ]
    if not versions:
        raise InputError(f"there is no {'champion' if champions_only else 'version'} of {family or 'any family'}")
    versions.sort(key=lambda each: (each.tags["family"], int(each.version)))
    return _table([_COLUMNS, *(_row(each) for each in versions)])


def _row(version: Any) -> tuple[str, ...]:
    tags, loss = version.tags, version.tags.get(LOSS_TAG)
    date = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    return (
        tags["family"],
        str(version.version),
        tags.get("synth", ""),
        tags.get("preset", ""),
        f"{float(loss):.2f}" if loss else "-",
        f"{date:%Y-%m-%d}",
        tags.get(STANDING_TAG, ""),
    )


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
