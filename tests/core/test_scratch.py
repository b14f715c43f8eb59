"""Temporary directories: gone with their block, or with the next one after a kill; never those of others."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from components.core.scratch import scratch_directory


@pytest.fixture(autouse=True)
def temporary(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_empty_and_gone_afterwards(temporary):
    with scratch_directory() as files:
        assert not list(files.iterdir())
        (files / "x").write_text("x")
    assert not list(temporary.iterdir())


def test_those_of_killed_processes_are_removed_and_no_others(temporary):
    for name in ("luthier-scratch-no-lock", "luthier-train-old", "luthier-scratch"):
        (temporary / name / "files").mkdir(parents=True)
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        with scratch_directory() as files:
            (files / "x").write_text("x")
            os.write(writing, f"{files}\n".encode())
            signal.pause()
    killed = os.read(reading, 1000).decode().strip()
    with scratch_directory() as living:
        assert Path(killed).exists()  # its process lives
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with scratch_directory():
            assert not Path(killed).exists()
            assert living.exists()
    assert len(list(temporary.iterdir())) == 3
