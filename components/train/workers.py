"""Workers: processes that train one model together, which of them this one is, and how they act at the same step.

TensorFlow reads the workers from TF_CONFIG. The pods of an Indexed Job know their index, and the launcher sets all
hosts:

    LUTHIER_WORKER_HOSTS="job-0.luthier-workers:2222,job-1.luthier-workers:2222"
    JOB_COMPLETION_INDEX=1
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections import deque
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from components.core import environment
from components.core.environment import TF_CONFIG, WORKER_HOSTS, WORKER_INDEX
from components.core.errors import InputError
from components.core.text import counted
from components.nsynth.note import FloatArray
from components.telemetry import log

_LOG = log.get(__name__)
_POLL_S = 0.2
_CONNECT_S = 2.0
_LAG_STEPS = 4


@dataclass(frozen=True)
class Workers:
    """The workers of one training, at least two.

    Attributes:
        hosts: "host:port" of each.
        index: Which of them this process is.
    """

    hosts: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes the files."""
        return self.index == 0

    def set_tf_config(self) -> None:
        """Sets TF_CONFIG, from which TensorFlow reads the workers."""
        workers, task = {"worker": list(self.hosts)}, {"type": "worker", "index": self.index}
        os.environ[TF_CONFIG] = json.dumps({"cluster": workers, "task": task})

    def wait_for_all(self) -> None:
        """Waits until every worker accepts a connection.

        TensorFlow would wait as well, but in code that no signal interrupts.
        """
        _LOG.info("worker %d of %d: waiting for the other workers", self.index, len(self.hosts))
        missing = {host for index, host in enumerate(self.hosts) if index != self.index}
        # Accepts the connections of the others until TensorFlow's server, which takes the same port, does.
        with socket.create_server(("", int(self.hosts[self.index].rpartition(":")[2])), backlog=len(self.hosts)):
            while missing:
                missing = {host for host in missing if not _accepts_connection(host)}
                time.sleep(_POLL_S if missing else 0)


def _accepts_connection(host: str) -> bool:
    name, _, port = host.rpartition(":")
    try:
        socket.create_connection((name, int(port)), _CONNECT_S).close()
    except OSError:
        return False
    return True


def workers_from_environment() -> Workers | None:
    """Returns the workers that the environment names; None if this process trains alone.

    Raises:
        InputError: The variables are malformed, or this process is none of the workers.
    """
    hosts, config = environment.get(WORKER_HOSTS), environment.get(TF_CONFIG)
    if hosts:
        found = _of_job([host.strip() for host in hosts.split(",")], environment.get(WORKER_INDEX))
    elif config:
        found = _of_tf_config(config)
    else:
        return None
    return found if len(found.hosts) > 1 else None


def _of_job(hosts: list[str], index: str) -> Workers:
    for host in hosts:
        name, _, port = host.rpartition(":")
        if not name or not port.isdigit():
            raise InputError(f"{WORKER_HOSTS} names the worker {host!r}: expected 'host:port' of each, with commas")
    if len(set(hosts)) < len(hosts):
        raise InputError(f"{WORKER_HOSTS} names a worker twice: got '{','.join(hosts)}'")
    if not index.isdigit() or int(index) >= len(hosts):
        raise InputError(
            f"{WORKER_HOSTS} names {counted(len(hosts), 'worker')}, but {WORKER_INDEX} is {index!r}: "
            f"expected 0 to {len(hosts) - 1}; is the Job's completionMode Indexed?"
        )
    return Workers(tuple(hosts), int(index))


def _of_tf_config(text: str) -> Workers:
    expected = 'expected {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
    try:
        config = json.loads(text)
        jobs, task = config["cluster"], config["task"]
        hosts, kind, index = tuple(jobs["worker"]), task["type"], int(task["index"])
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{TF_CONFIG} is not a cluster of workers: got {text[:80]!r}, {expected}") from None
    if kind != "worker" or set(jobs) != {"worker"} or not 0 <= index < len(hosts):
        raise InputError(f"{TF_CONFIG} does not say which worker this is: got task {task!r} of {jobs!r}, {expected}")
    return Workers(hosts, index)


@dataclass(frozen=True)
class StopRequests:
    """What one worker wants the training to do, or what all of them do.

    Attributes:
        terminate: Save and exit: the process was asked to end.
        save: Write a checkpoint: the last one is old enough.
        out_of_time: End the training: it has reached train.max_minutes.
    """

    terminate: bool = False
    save: bool = False
    out_of_time: bool = False


class WorkerSync:
    """Makes all workers act at the same step on what any of them wants. A worker that trains alone acts at once.

    The requests travel with a step's arguments, are averaged on the devices with its sums, and are read some steps
    later, when the devices have long finished that step: no worker waits for another one.

    Attributes:
        lag_steps: How many steps after a request all workers know of it.
    """

    def __init__(self, workers: int) -> None:
        """Args: how many workers there are."""
        self._alone, self._agreed = workers == 1, StopRequests()
        self._means: deque[Any] = deque()
        self.lag_steps = 0 if self._alone else _LAG_STEPS

    def message(self, own: StopRequests) -> FloatArray | None:
        """Returns what goes to the devices with a step, f32[3]; None if there is one worker."""
        return None if self._alone else np.array(astuple(own), np.float32)

    def received(self, mean: Any) -> None:
        """Takes the mean of all workers' messages of a step, f32[3], which the devices may still be computing."""
        if self._alone:
            return
        self._means.append(mean)
        if len(self._means) > self.lag_steps:
            self._agreed = StopRequests(*(np.asarray(self._means.popleft()) > 0).tolist())

    def agreed(self, own: StopRequests) -> StopRequests:
        """Returns what to do now.

        Args:
            own: What this worker wants.
        """
        return own if self._alone else self._agreed

    def reset(self) -> None:
        """Forgets the messages of steps that a rollback undoes."""
        self._means.clear()
        self._agreed = StopRequests()
