"""One mover at a time: whoever moves a family's alias holds a lock that every client of the registry sees.

MLflow's registry has no compare-and-set, but a registered model's name is unique: the lock is a registered model of
that name, made by one client alone and deleted by it. A lock whose holder died is taken away when it is old.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from components.core.errors import StepError

_OLD_S = 120.0  # a move takes a second
_POLL_S = 0.5
_WAIT_S = 300.0
_HOLDER = "luthier.holder"


@contextmanager
def moving(client: MlflowClient, model_name: str) -> Iterator[None]:
    """Holds a registered model's lock. StepError where it could not be had for minutes."""
    lock, holder = f"{model_name}.moving", uuid.uuid4().hex
    give_up = time.monotonic() + _WAIT_S
    while not _taken(client, lock, holder):
        if time.monotonic() > give_up:
            raise StepError(
                f"the lock '{lock}' of the registry was never free in {_WAIT_S:.0f} s: "
                "try again, or delete the registered model of that name if nobody is registering"
            )
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        if _holder(client, lock) == holder:
            client.delete_registered_model(lock)


def _taken(client: MlflowClient, lock: str, holder: str) -> bool:
    try:
        client.create_registered_model(lock, {_HOLDER: holder}, "A lock; it goes when its holder is done.")
        return True
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    with suppress(MlflowException):  # freed, or taken away by another, in this moment
        found = client.get_registered_model(lock)
        if time.time() - found.creation_timestamp / 1000 > _OLD_S:
            # Renaming is what only one can do, and what two locks cannot be taken for each other by.
            client.rename_registered_model(lock, stale := f"{lock}.{found.tags.get(_HOLDER, '')}")
            client.delete_registered_model(stale)
    return False


def _holder(client: MlflowClient, lock: str) -> str | None:
    try:
        holder: str | None = client.get_registered_model(lock).tags.get(_HOLDER)
        return holder
    except MlflowException:
        return None
