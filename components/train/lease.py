"""The lease on a training directory, lease.json: one process at a time writes there, on a local disk as on gs://.

The holder renews its lease in a thread. Nobody compares clocks of two machines: whoever wants the lease watches, by its
own clock, whether it is renewed. It takes the lease over at once where the holder is known to have ended (a process of
the same machine) or to be an earlier pod of the same Job, and else when the lease was not renewed for STALE_AFTER_S.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from components import storage
from components.artifacts.training_dir import TrainingDir
from components.core import environment
from components.core.errors import InputError, StepError
from components.core.process import ProcessIdentity
from components.telemetry import log

_LOG = log.get(__name__)

RENEW_S = 15.0
STALE_AFTER_S = 60.0  # three renewals may fail
POLL_S = 1.0
_RELEASE_LIMIT_S = 10.0


@dataclass(frozen=True)
class Lease:
    """The content of lease.json.

    Attributes:
        holder: Random; of one acquisition.
        process: The process that holds it.
        job: The Kubernetes Job that the process belongs to; "" for none.
        renewals: How often it was renewed.
    """

    holder: str
    process: ProcessIdentity
    job: str
    renewals: int = 0

    @classmethod
    def new(cls) -> Lease:
        """Returns a lease for this process."""
        return cls(uuid.uuid4().hex, ProcessIdentity.of_this(), environment.get(environment.JOB_UID))

    @classmethod
    def parse(cls, values: Any) -> Lease:
        """Returns the lease in a JSON value; where that is none, one of an unknown holder, who never renews it."""
        values = values if isinstance(values, dict) else {}
        holder, job, renewals = values.get("holder"), values.get("job"), values.get("renewals")
        return cls(
            holder if isinstance(holder, str) else "",
            ProcessIdentity.parse(values.get("process")),
            job if isinstance(job, str) else "",
            renewals if isinstance(renewals, int) else 0,
        )


class _LeaseChangedError(Exception):
    """Another process wrote or deleted the lease in the same moment."""


@contextmanager
def held(training_uri: str) -> Iterator[None]:
    """Holds the lease on a training directory.

    Args:
        training_uri: The directory, which is created where it is missing.

    Raises:
        StepError: Another process trains there. It may end or be dead soon, so the exit code is 1: a Job may retry.
    """
    uri = TrainingDir(training_uri).lease_uri
    lease = _acquired(uri, training_uri)
    stopped = threading.Event()
    renewing = threading.Thread(target=_renew, args=(uri, lease, stopped), name="lease", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        stopped.set()
        renewing.join(_RELEASE_LIMIT_S)
        _release(uri, lease)


def _acquired(uri: str, training_uri: str) -> Lease:
    lease, seen, since = Lease.new(), None, 0.0
    while True:
        try:
            generation, found = _read(uri)
            if found is None or _may_take_over(lease, found) or (found == seen and _age(since) >= STALE_AFTER_S):
                if found is not None:
                    _LOG.info("taking over '%s' from %s, which has ended", training_uri, found.process)
                _write(uri, lease, generation)
                return lease
        except _LeaseChangedError:
            continue
        if found.process.runs() or (seen is not None and found != seen):
            raise StepError(
                f"another process trains in '{training_uri}': {found.process}; wait until it has ended, stop it, or "
                "try another directory"
            )
        if seen is None:
            seen, since = found, time.monotonic()
            _LOG.info(
                "%s holds '%s': waiting up to %.0f s whether it still runs", found.process, training_uri, STALE_AFTER_S
            )
        time.sleep(POLL_S)


def _may_take_over(lease: Lease, found: Lease) -> bool:
    # A Job starts its next pod when the last one has ended.
    return found.process.has_ended() or (bool(lease.job) and lease.job == found.job and not found.process.runs())


def _age(since: float) -> float:
    return time.monotonic() - since


def _renew(uri: str, lease: Lease, stopped: threading.Event) -> None:
    while not stopped.wait(RENEW_S):
        try:
            generation, found = _read(uri)
            if found is not None and found.holder != lease.holder:
                _end_process(uri, found)
            lease = replace(lease, renewals=lease.renewals + 1)
            if not stopped.is_set():
                _write(uri, lease, generation)
        except _LeaseChangedError:
            continue  # the next round tells who wrote
        except (InputError, StepError, OSError) as error:
            _LOG.warning("cannot renew the lease '%s': %s", uri, error)


def _end_process(uri: str, found: Lease) -> None:
    """Ends this process at once, so that it writes nothing more into a directory that another one has taken over."""
    print(
        f"luthier: {found.process} has taken over '{uri}', which this process did not renew in time: it stops",
        file=sys.stderr,
        flush=True,
    )
    os._exit(1)


def _release(uri: str, lease: Lease) -> None:
    try:
        with storage.patience(_RELEASE_LIMIT_S):
            _, found = _read(uri)
            if found is not None and found.holder == lease.holder:
                storage.delete(uri)
    except (_LeaseChangedError, InputError, StepError, OSError) as error:
        _LOG.warning("cannot delete the lease '%s': %s", uri, error)


def _read(uri: str) -> tuple[str, Lease | None]:
    """Returns the generation and the lease; "0" and None where there is none."""
    info = storage.stat(uri)
    if info is None:
        return "0", None
    try:
        with storage.open_object(info) as stream:
            return info.generation, Lease.parse(json.loads(stream.read()))
    except storage.Changed:
        raise _LeaseChangedError from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        return info.generation, Lease.parse(None)


def _write(uri: str, lease: Lease, generation: str) -> None:
    try:
        storage.write_json(uri, asdict(lease), if_generation_match=generation)
    except storage.Conflict:
        raise _LeaseChangedError from None
