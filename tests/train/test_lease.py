"""Of two processes that want one training directory, one trains and the other says so; a dead one does not hinder."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest

from components import storage
from components.core import environment
from components.core.errors import StepError
from components.core.process import ProcessIdentity
from components.train import lease
from components.train.lease import Lease
from tests.processes import started_of
from tests.waiting import wait_until

ELSEWHERE = ProcessIdentity("node-7", 42, "1", "another machine")


@pytest.fixture(params=["local", "gs"])
def training_uri(request, tmp_path):
    root = str(tmp_path) if request.param == "local" else request.getfixturevalue("faulty_gcs").bucket()
    return storage.join(root, "string-harmonic")


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(lease, "RENEW_S", 0.05)
    monkeypatch.setattr(lease, "POLL_S", 0.02)
    monkeypatch.setattr(lease, "STALE_AFTER_S", 1.0)


def lease_of(training_uri):
    while True:
        try:
            return Lease.parse(storage.read_json(storage.join(training_uri, "lease.json")))
        except storage.Changed:  # it was renewed
            continue


def write(training_uri, found):
    storage.write_json(storage.join(training_uri, "lease.json"), asdict(found))


def test_it_is_renewed_while_it_is_held_and_gone_afterwards(training_uri):
    with lease.held(training_uri):
        first = lease_of(training_uri)
        wait_until(lambda: lease_of(training_uri).renewals > first.renewals + 1, "it is renewed twice")
        with pytest.raises(StepError, match=rf"another process trains in '.*': process {os.getpid()} on "):
            lease.held(training_uri).__enter__()
        assert lease_of(training_uri).holder == first.holder
    assert not storage.exists(storage.join(training_uri, "lease.json"))


def test_one_on_another_machine_that_renews_is_waited_for_no_longer_than_that(training_uri, monkeypatch):
    monkeypatch.setattr(lease, "STALE_AFTER_S", 600.0)
    found, read = Lease("them", ELSEWHERE, ""), lease._read
    write(training_uri, found)

    def read_before_a_renewal(uri):
        seen = read(uri)
        write(training_uri, replace(found, renewals=1))
        return seen

    monkeypatch.setattr(lease, "_read", read_before_a_renewal)
    with pytest.raises(StepError, match="process 42 on node-7"):
        lease.held(training_uri).__enter__()
    assert lease_of(training_uri).holder == "them"


def test_one_that_does_not_renew_is_taken_over_and_the_log_says_what_is_waited_for(training_uri, caplog):
    write(training_uri, Lease("them", ELSEWHERE, "job-1"))
    start = time.monotonic()
    with caplog.at_level("INFO", logger="components"), lease.held(training_uri):
        assert time.monotonic() - start >= 1.0
        assert lease_of(training_uri).process == ProcessIdentity.of_this()
    assert "process 42 on node-7 holds" in caplog.text and "waiting up to 1 s" in caplog.text


@pytest.mark.parametrize("how", ["killed here", "an earlier pod of the same Job", "not a lease"])
def test_what_is_known_to_have_ended_is_not_waited_for(training_uri, monkeypatch, caplog, how):
    monkeypatch.setattr(lease, "STALE_AFTER_S", 0.0 if how == "not a lease" else 600.0)
    if how == "killed here":
        pid = os.fork()
        if not pid:
            signal.pause()
        started = started_of(pid)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        write(training_uri, Lease("them", replace(ProcessIdentity.of_this(), pid=pid, started=started), ""))
    elif how == "not a lease":
        storage.write_bytes(storage.join(training_uri, "lease.json"), b"[1, 2")
    else:
        monkeypatch.setenv(environment.JOB_UID, "job-1")
        write(training_uri, Lease("them", ELSEWHERE, "job-1"))
    with caplog.at_level("INFO", logger="components"), lease.held(training_uri):
        assert lease_of(training_uri).process == ProcessIdentity.of_this()
    assert "waiting up to 600 s" not in caplog.text


def test_a_holder_whose_lease_was_taken_over_ends_at_once(tmp_path):
    script = f"""
import time
from components.train import lease
lease.RENEW_S = 0.05
with lease.held({str(tmp_path)!r}):
    print("holds", flush=True)
    time.sleep(600)
"""
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "holds\n"
    write(str(tmp_path), Lease("them", ELSEWHERE, ""))
    _, said = holder.communicate(timeout=120)
    assert holder.returncode == 1
    assert said.startswith("luthier: process 42 on node-7 has taken over")
    assert lease_of(str(tmp_path)).holder == "them"


def test_an_outage_of_storage_does_not_end_the_holder(tmp_path, monkeypatch, caplog):
    real, failures = lease._read, []

    def fails_twice(uri):
        if threading.current_thread().name == "lease" and len(failures) < 2:
            failures.append(uri)
            raise StepError("no route to host")
        return real(uri)

    monkeypatch.setattr(lease, "_read", fails_twice)
    with caplog.at_level("WARNING", logger="components"), lease.held(str(tmp_path)):
        wait_until(lambda: lease_of(str(tmp_path)).renewals > 0, "it is renewed")
    assert "cannot renew the lease" in caplog.text
