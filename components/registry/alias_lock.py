"""The lock under which one client at a time moves the aliases of a registered model.

MLflow's registry has no compare-and-set, but a registered model's name is unique: the lock is a registered model of
that name, which one client alone can create and which it deletes afterwards. Its holder renews a tag. Nobody compares
clocks: a client that waits watches, by its own clock, whether the tag changes. It removes the lock of a dead holder: at
once if that was a process of the same machine, else after STALE_AFTER_S without a change.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from components.core.errors import StepError
from components.core.process import ProcessIdentity
from components.telemetry import log

_LOG = log.get(__name__)

RENEW_S = 2.0  # moving an alias takes a second
STALE_AFTER_S = 10.0
POLL_S = 0.5
TIMEOUT_S = 300.0
_RELEASE_LIMIT_S = 10.0
_HOLDER_TAG, _PROCESS_TAG, _RENEWALS_TAG = "luthier.holder", "luthier.process", "luthier.renewals"


@contextmanager
def alias_lock(client: MlflowClient, model_name: str) -> Iterator[None]:
    """Holds the lock of a registered model's aliases. StepError where other clients hold it for minutes."""
    lock, holder = f"{model_name}.moving", uuid.uuid4().hex
    _wait_for(client, lock, holder)
    released = threading.Event()
    renewing = threading.Thread(target=_renew, args=(client, lock, released), name="alias-lock", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        released.set()
        renewing.join(_RELEASE_LIMIT_S)  # a renewal on its way would be one of the next holder's lock
        tags = _tags(client, lock)
        if tags is not None and tags.get(_HOLDER_TAG) == holder:
            client.delete_registered_model(lock)


@dataclass
class _Watched:
    """A lock that another client holds, as it was last seen to change.

    Attributes:
        tags: Its tags.
        since: When they had changed, by this process's own clock, in seconds.
    """

    tags: dict[str, str]
    since: float = field(default_factory=lambda: time.monotonic())

    @property
    def process(self) -> ProcessIdentity:
        try:
            return ProcessIdentity.parse(json.loads(self.tags.get(_PROCESS_TAG, "null")))
        except ValueError:
            return ProcessIdentity.parse(None)

    def is_dead(self) -> bool:
        return self.process.has_ended() or time.monotonic() - self.since >= STALE_AFTER_S


def _wait_for(client: MlflowClient, lock: str, holder: str) -> None:
    deadline, watched, first = time.monotonic() + TIMEOUT_S, None, ""
    while not _create(client, lock, holder):
        if time.monotonic() > deadline:
            raise StepError(
                f"the registry's lock '{lock}' was held by other clients for {TIMEOUT_S:.0f} s: "
                "try again, or delete the registered model of that name if no registration is running"
            )
        tags = _tags(client, lock)
        if tags is None:  # released at this moment; or MLflow does not show it to this client
            time.sleep(POLL_S)
            continue
        if watched is None or watched.tags != tags:
            watched = _Watched(tags)
        if not first:
            first = tags.get(_HOLDER_TAG, "")
            _LOG.info("waiting for the registry's lock '%s', which %s holds", lock, watched.process or "a client")
        if watched.is_dead():
            _LOG.warning("%s has ended and left the registry's lock '%s': removing it", watched.process, lock)
            _remove(client, lock, tags)
            continue
        time.sleep(POLL_S)


def _create(client: MlflowClient, lock: str, holder: str) -> bool:
    tags = {_HOLDER_TAG: holder, _PROCESS_TAG: json.dumps(asdict(ProcessIdentity.of_this())), _RENEWALS_TAG: "0"}
    try:
        client.create_registered_model(lock, tags, "A lock. It is deleted after the alias has moved.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return False
    return True


def _remove(client: MlflowClient, lock: str, tags: dict[str, str]) -> None:
    with suppress(MlflowException):  # another client was faster
        # Only one client can rename it, and the new name says which lock it was: a newer one is not deleted.
        client.rename_registered_model(lock, stale := f"{lock}.{tags.get(_HOLDER_TAG, '')}")
        client.delete_registered_model(stale)


def _renew(client: MlflowClient, lock: str, released: threading.Event) -> None:
    renewals = 0
    while not released.wait(RENEW_S):
        renewals += 1
        with suppress(MlflowException):  # the next time, or too late: then another client removes the lock
            client.set_registered_model_tag(lock, _RENEWALS_TAG, str(renewals))


def _tags(client: MlflowClient, lock: str) -> dict[str, Any] | None:
    try:
        return dict(client.get_registered_model(lock).tags)
    except MlflowException:
        return None
