"""A family's versions and the aliases `champion` and `challenger`, which one client at a time may move.

MLflow's registry has no compare-and-set, but a registered model's name is unique: the lock is a registered model of
that name, which one client alone can create and which it deletes afterwards. A lock whose holder died is removed when
it is old.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from components.core.errors import InputError, StepError
from components.registry.client import open_client
from components.registry.tags import LOSS_TAG, PREVIOUS_TAG, STATUS_TAG

CHAMPION, CHALLENGER = "champion", "challenger"
ALL_FAMILIES = "name LIKE 'ddsp-%'"
"""MLflow's filter for the versions of every family."""

LOCK_MAX_AGE_S = 120.0  # moving an alias takes a second
LOCK_POLL_S = 0.5
LOCK_TIMEOUT_S = 300.0
_HOLDER_TAG = "luthier.holder"


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
        loss = float(version.tags.get(LOSS_TAG, math.nan))
        uri = f"models:/{version.name}@{CHAMPION}"
        return cls(uri, version.tags.get("synth", ""), int(version.version), loss, version.source)


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
    found = champion_version(open_client(tracking_uri), family)
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


@contextmanager
def alias_lock(client: MlflowClient, model_name: str) -> Iterator[None]:
    """Holds the lock of a registered model's aliases. StepError where another client holds it for minutes."""
    lock, holder = f"{model_name}.moving", uuid.uuid4().hex
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while not _acquire(client, lock, holder):
        if time.monotonic() > deadline:
            raise StepError(
                f"the registry's lock '{lock}' was held by another client for {LOCK_TIMEOUT_S:.0f} s: "
                "try again, or delete the registered model of that name if no registration is running"
            )
        time.sleep(LOCK_POLL_S)
    try:
        yield
    finally:
        if _holder(client, lock) == holder:
            client.delete_registered_model(lock)


def _acquire(client: MlflowClient, lock: str, holder: str) -> bool:
    try:
        client.create_registered_model(lock, {_HOLDER_TAG: holder}, "A lock. It is deleted after the alias has moved.")
        return True
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    with suppress(MlflowException):  # released, or removed by another client, at this moment
        found = client.get_registered_model(lock)
        if time.time() - found.creation_timestamp / 1000 > LOCK_MAX_AGE_S:
            # Only one client can rename it, and the new name says which lock it was: a newer one is not deleted.
            client.rename_registered_model(lock, stale := f"{lock}.{found.tags.get(_HOLDER_TAG, '')}")
            client.delete_registered_model(stale)
    return False


def _holder(client: MlflowClient, lock: str) -> str | None:
    try:
        holder: str | None = client.get_registered_model(lock).tags.get(_HOLDER_TAG)
        return holder
    except MlflowException:
        return None
