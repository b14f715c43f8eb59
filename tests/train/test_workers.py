"""Workers: read from the environment, errors in it, and what they agree on."""

from __future__ import annotations

import json

import numpy as np
import pytest

from components.core.errors import InputError
from components.train.workers import StopRequests, Workers, WorkerSync, workers_from_environment

_HOSTS = "job-0.luthier-workers:2222,job-1.luthier-workers:2222"


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    for name in ("LUTHIER_WORKER_HOSTS", "JOB_COMPLETION_INDEX", "TF_CONFIG"):
        monkeypatch.setenv(name, "")


def _tf_config(index: object, **jobs: list[str]) -> str:
    return json.dumps({"cluster": jobs or {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": index}})


def test_without_a_word_it_trains_alone(monkeypatch):
    assert workers_from_environment() is None
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")  # any Indexed Job has it
    assert workers_from_environment() is None
    monkeypatch.setenv("LUTHIER_WORKER_HOSTS", "job-0.luthier-workers:2222")
    assert workers_from_environment() is None


def test_a_job_tells_hosts_and_index_and_tensorflow_reads_them(monkeypatch):
    monkeypatch.setenv("LUTHIER_WORKER_HOSTS", _HOSTS)
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    found = workers_from_environment()
    assert found == Workers(tuple(_HOSTS.split(",")), 1)
    assert not found.is_chief
    found.set_tf_config()
    monkeypatch.delenv("LUTHIER_WORKER_HOSTS")
    assert workers_from_environment() == found


def test_tf_config_is_read(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", _tf_config(0))
    found = workers_from_environment()
    assert (found.hosts, found.index, found.is_chief) == (("a:1", "b:2"), 0, True)


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"LUTHIER_WORKER_HOSTS": _HOSTS}, "JOB_COMPLETION_INDEX is ''.*0 to 1"),
        ({"LUTHIER_WORKER_HOSTS": _HOSTS, "JOB_COMPLETION_INDEX": "2"}, "names 2 workers, but .* is '2'"),
        ({"LUTHIER_WORKER_HOSTS": "a:1,b", "JOB_COMPLETION_INDEX": "0"}, "the worker 'b': expected 'host:port'"),
        ({"LUTHIER_WORKER_HOSTS": "a:1,a:1", "JOB_COMPLETION_INDEX": "0"}, "names a worker twice"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG is not a cluster of workers: got '{'"),
        ({"TF_CONFIG": "[1]"}, "TF_CONFIG is not a cluster of workers"),
        ({"TF_CONFIG": _tf_config(2)}, "does not say which worker this is"),
        ({"TF_CONFIG": _tf_config(0, worker=["a:1"], ps=["b:1"])}, "does not say which worker"),
    ],
)
def test_what_does_not_fit_together_is_one_line(monkeypatch, environment, says):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=says) as caught:
        workers_from_environment()
    assert "\n" not in str(caught.value)


def test_one_worker_acts_at_once_and_sends_nothing():
    sync = WorkerSync(workers=1)
    assert sync.message(StopRequests(terminate=True)) is None
    assert sync.agreed(StopRequests(terminate=True)) == StopRequests(terminate=True)
    assert sync.lag_steps == 0


def test_several_workers_act_at_the_same_step_on_what_any_of_them_wants():
    syncs = [WorkerSync(workers=2) for _ in range(2)]
    agreed = []
    for step in range(8):
        wanted = [StopRequests(save=step == 1), StopRequests(terminate=step >= 2)]
        messages = [sync.message(own) for sync, own in zip(syncs, wanted, strict=True)]
        for sync in syncs:
            sync.received(np.mean(messages, axis=0))
        found = [sync.agreed(StopRequests(out_of_time=True)) for sync in syncs]
        assert found[0] == found[1]
        agreed.append(found[0])
    lag = syncs[0].lag_steps
    assert agreed[: lag + 1] == [StopRequests()] * (lag + 1)
    assert agreed[lag + 1 : lag + 3] == [StopRequests(save=True), StopRequests(terminate=True)]
    syncs[0].reset()
    assert syncs[0].agreed(StopRequests(terminate=True)) == StopRequests()
