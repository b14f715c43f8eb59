"""Whether a process has ended is said only where that is sure."""

import os
from dataclasses import asdict, replace

import pytest

from components.core.process import ProcessIdentity
from tests.processes import started_of


def test_a_process_runs_until_it_has_ended():
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.read(reading, 1)
        os._exit(0)
    stat = replace(ProcessIdentity.of_this(), pid=pid)
    child = replace(stat, started=started_of(pid))
    assert ProcessIdentity.parse(asdict(child)) == child
    assert (child.runs(), child.has_ended()) == (True, False)
    assert replace(child, started="1").has_ended()  # another process has the number now
    os.write(writing, b".")
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert child.has_ended()  # a zombie
    os.waitpid(pid, 0)
    assert (child.runs(), child.has_ended()) == (False, True)


@pytest.mark.parametrize(
    "values", [None, {}, [], {"pid": "x"}, {"pid": -1, "machine": "m"}, {"pid": 1, "started": "1", "machine": "other"}]
)
def test_of_another_machine_nothing_is_known(values):
    found = ProcessIdentity.parse(values)
    assert (found.runs(), found.has_ended()) == (False, False)
