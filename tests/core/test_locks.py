"""Locks between processes: who waits, who fails at once and what they are told."""

import os
import subprocess
import sys
import threading

import pytest

from components.core.locks import LockHeld, directory_lock, file_lock

_HOLD = (
    "import sys; from pathlib import Path; from components.core.locks import file_lock\n"
    "with file_lock(Path(sys.argv[1]), wait_s=0): print(1, flush=True); input()"
)


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", _HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


def test_a_held_lock_names_its_holder_and_is_free_when_the_holder_is_killed(tmp_path, holder):
    path = tmp_path / "lock"
    with pytest.raises(LockHeld, match=rf"cannot lock '.*lock': process {holder.pid} holds it"), file_lock(path, 0):
        pass
    with pytest.raises(LockHeld, match=r"after \d+ s: process") as found, file_lock(path, wait_s=0.15):
        pass
    assert found.value.holder == str(holder.pid)
    holder.kill()
    with file_lock(path, wait_s=60):
        assert path.read_text() == str(os.getpid())


def test_waiting_ends_when_the_holder_releases(tmp_path):
    held, order = threading.Event(), []

    def first():
        with file_lock(tmp_path / "lock", wait_s=0):
            held.set()
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    held.wait(60)
    with file_lock(tmp_path / "lock", wait_s=60):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_a_directory_is_locked_and_released(tmp_path):
    for _ in range(2):
        with directory_lock(tmp_path) as descriptor:
            os.fsync(descriptor)
