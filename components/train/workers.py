"""The workers that train together, one process each: who they are, and which of them this process is. No TensorFlow.

TensorFlow reads them from TF_CONFIG. The pods of an Indexed Job know their index, the launcher tells all names:

    LUTHIER_WORKER_HOSTS="job-0.luthier-workers:2222,job-1.luthier-workers:2222"
    JOB_COMPLETION_INDEX=1
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass

from components.core import environment
from components.core.environment import TF_CONFIG, WORKER_HOSTS, WORKER_INDEX
from components.core.errors import InputError
from components.telemetry import log

_LOG = log.get(__name__)
_POLL_S = 0.2
_CONNECT_S = 2.0


@dataclass(frozen=True)
class Cluster:
    """Several workers.

    Attributes:
        hosts: Their addresses, "host:port".
        index: Which of them this process is.
    """

    hosts: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this worker is the one that writes."""
        return self.index == 0

    def announce(self) -> None:
        """Writes TF_CONFIG, where TensorFlow looks for the cluster."""
        workers, task = {"worker": list(self.hosts)}, {"type": "worker", "index": self.index}
        os.environ[TF_CONFIG] = json.dumps({"cluster": workers, "task": task})

    def wait_for_all(self) -> None:
        """Waits until every worker answers at its address.

        TensorFlow would wait as well, but in a place where no signal reaches this process.
        """
        _LOG.info("worker %d of %d: waiting for the others", self.index, len(self.hosts))
        missing = {host for index, host in enumerate(self.hosts) if index != self.index}
        # Answers the others until TensorFlow's server, which takes the same port, does.
        with socket.create_server(("", int(self.hosts[self.index].rpartition(":")[2])), backlog=len(self.hosts)):
            while missing:
                missing = {host for host in missing if not _answers(host)}
                time.sleep(_POLL_S if missing else 0)


def _answers(host: str) -> bool:
    name, _, port = host.rpartition(":")
    try:
        socket.create_connection((name, int(port)), _CONNECT_S).close()
    except OSError:
        return False
    return True


def cluster() -> Cluster | None:
    """Returns the cluster that the environment tells of; None where this process trains by itself.

    Raises:
        InputError: What it tells is not a cluster, or this process is none of its workers.
    """
    hosts, config = environment.get(WORKER_HOSTS), environment.get(TF_CONFIG)
    if hosts:
        found = _of_job([host.strip() for host in hosts.split(",")], environment.get(WORKER_INDEX))
    elif config:
        found = _of_tf_config(config)
    else:
        return None
    return found if len(found.hosts) > 1 else None


def _of_job(hosts: list[str], index: str) -> Cluster:
    for host in hosts:
        name, _, port = host.rpartition(":")
        if not name or not port.isdigit():
            raise InputError(f"{WORKER_HOSTS} names the worker {host!r}: expected 'host:port' of each, with commas")
    if len(set(hosts)) < len(hosts):
        raise InputError(f"{WORKER_HOSTS} names a worker twice: got '{','.join(hosts)}'")
    if not index.isdigit() or int(index) >= len(hosts):
        raise InputError(
            f"{WORKER_HOSTS} names {len(hosts)} workers, but {WORKER_INDEX} is {index!r}: "
            f"expected 0 to {len(hosts) - 1}; is the Job's completionMode Indexed?"
        )
    return Cluster(tuple(hosts), int(index))


def _of_tf_config(text: str) -> Cluster:
    expected = 'expected {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
    try:
        config = json.loads(text)
        jobs, task = config["cluster"], config["task"]
        hosts, kind, index = tuple(jobs["worker"]), task["type"], int(task["index"])
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{TF_CONFIG} is not a cluster of workers: got {text[:80]!r}, {expected}") from None
    if kind != "worker" or set(jobs) != {"worker"} or not 0 <= index < len(hosts):
        raise InputError(f"{TF_CONFIG} does not say which worker this is: got task {task!r} of {jobs!r}, {expected}")
    return Cluster(hosts, index)
