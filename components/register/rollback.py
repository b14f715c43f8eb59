"""Rolls a family's champion back to an earlier version."""

from __future__ import annotations

from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from components.core.errors import InputError
from components.nsynth.families import check_family
from components.register.description import describe
from components.register.promotion import ROLLED_BACK
from components.registry.alias_lock import alias_lock
from components.registry.aliases import (
    Champion,
    champion_version,
    model_name,
    previous_champion,
    restore,
    versions_of,
)
from components.registry.client import mlflow_errors, open_client, open_for_writing, resolve_uri
from components.registry.mlflow_values import EXPERIMENT


def roll_back(
    family: str, tracking_uri: str = "", to_version: int | None = None, dry_run: bool = False
) -> tuple[int, Champion]:
    """Moves the alias `champion` to an earlier version. Registering the other one again does not promote it again.

    Args:
        family: The family.
        tracking_uri: MLflow; "" for the value of MLFLOW_TRACKING_URI.
        to_version: The version to go back to; None for the champion before.
        dry_run: Change nothing.

    Returns:
        The version that was champion, and the champion now; in a dry run, the champion, and the one that would be.

    Raises:
        InputError: There is no such family, no champion, none before it, or no such version; or MLflow refuses it.
        StepError: MLflow does not answer, or has an error of its own.
    """
    with mlflow_errors(resolve_uri(tracking_uri)):
        return _roll_back(family, tracking_uri, to_version, dry_run)


def _roll_back(family: str, tracking_uri: str, to_version: int | None, dry_run: bool) -> tuple[int, Champion]:
    opened = open_client(tracking_uri)  # fails where there is no registry; `open_for_writing` would create one
    check_family(family)
    if dry_run:
        champion, earlier = _versions(opened, family, to_version)
        return int(champion.version), Champion.of(earlier)
    name = model_name(family)
    with open_for_writing(tracking_uri, EXPERIMENT) as (client, _), alias_lock(client, name):
        champion, earlier = _versions(client, family, to_version)
        reason = f"{ROLLED_BACK} to version {earlier.version} on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        restore(client, family, champion, earlier, reason)
        describe(client, family)
        return int(champion.version), Champion.of(earlier)


def _versions(client: MlflowClient, family: str, to_version: int | None) -> tuple[ModelVersion, ModelVersion]:
    """Returns the champion, and the version to go back to."""
    champion, name = champion_version(client, family), model_name(family)
    if champion is None:
        raise InputError(f"cannot roll back: {family} has no champion; `luthier models` lists the versions")
    known = {int(version.version): version for version in versions_of(client, family)}
    earlier = known.get(to_version) if to_version else previous_champion(client, champion)
    if earlier is None:
        wanted = f"there is no version {to_version}" if to_version else "there was no champion before it"
        raise InputError(
            f"cannot roll back {name} from version {champion.version}: {wanted}; "
            f"name one of {', '.join(str(number) for number in sorted(known))} with --to"
        )
    if int(earlier.version) == int(champion.version):
        raise InputError(f"cannot roll back: version {champion.version} of {name} is the champion already")
    return champion, earlier
